"""Which values are which class is part of the name under which a case is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.cohort import Case, Truth, read_manifest
from wardround.engine.imaging import read_label
from wardround.engine.preprocessing import Pipeline
from wardround.engine.store import CaseStore
from wardround.engine.store.preparing import content_key, storage_key

MAPS: tuple[dict[str, Any], ...] = (
    {"classes": {"left": 1, "right": 2}},
    {"classes": {"both": [1, 2]}},
    {"classes": {"both": [2, 1]}},
    {"classes": {"left": 1, "third": 3}, "rest": "background"},
    {"classes": {"left": 1, "right": 2, "third": 3}},
    {"classes": {"left": 1, "right": [2, 3]}},
    {"classes": {"left": [1, 3], "right": 2}},
    {"classes": {"right": 2}, "rest": "background"},
    {"classes": {"left": 1, "right": 2}, "rest": "background"},
)
INDICES = ((1, 2), (1, 1), (1, 1), (1, 0), (1, 2), (1, 2), (1, 2), (0, 1), (1, 2))
"""What the values 1 and 2 are in each."""


def a_case(folder: Path) -> Case:
    manifest = write_segmentation_cohort(folder, cases=4, shape=(20, 18, 16))
    return read_manifest(manifest, study_of(SEGMENTATION), truth=Truth.REQUIRED).cases[0]


def test_each_map_of_classes_is_stored_as_its_own(tmp_path: Path) -> None:
    case, store = a_case(tmp_path / "data"), CaseStore(tmp_path / "store")
    assert case.label is not None
    mask = read_label(case.label)[0]
    for changes, (left, right) in zip(MAPS, INDICES, strict=True):
        study = study_of(changed(SEGMENTATION, preprocessing=[{"z_normalize": "all"}], **changes))
        stored = store.open_case(study, case)
        np.testing.assert_array_equal(stored.label, np.array([0, left, right])[mask], err_msg=str(changes))
        assert sorted(stored.foreground) == sorted({left, right} - {0})


def test_maps_differ_in_both_keys_and_a_plain_one_keeps_its_key() -> None:
    studies = [study_of(changed(SEGMENTATION, **changes)) for changes in MAPS]
    assert len({storage_key(Pipeline(study), "digest") for study in studies}) == len(MAPS)
    assert len({content_key(study, "digest") for study in studies}) == len(MAPS)
    names = study_of(changed(SEGMENTATION, classes={"front": 1, "back": 2}))
    assert storage_key(Pipeline(names), "digest") == storage_key(Pipeline(studies[0]), "digest")
    # As releases before lists and `rest` named it.
    assert content_key(studies[0], "digest") == "9780f4c577cf8938b1e8ccfcbd8b828a7c226761ca39adf8cc8dfaf2a4503498"
