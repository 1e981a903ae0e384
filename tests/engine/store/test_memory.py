"""Cases are built at once only as far as their bytes fit the budget."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.images import write_classification_cohort, write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.files import taken_bytes
from wardround.engine.basics.sizes import BLOCK_BYTES, on_disk
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.inspection.room import building_bytes, needs_of, present_bytes, stored_bytes
from wardround.engine.preprocessing import Sample
from wardround.engine.store import CaseStore, preparing

STUDY = study_of(SEGMENTATION)
CASE_BYTES = 12 * 24 * 28 * 20


@pytest.mark.parametrize(
    ("memory", "together"), [(10 * CASE_BYTES, 4), (2 * CASE_BYTES, 2), (CASE_BYTES, 1), (CASE_BYTES - 1, 1)]
)
def test_builders_wait_for_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, memory: int, together: int
) -> None:
    cohort = read_manifest(write_segmentation_cohort(tmp_path / "data", cases=6), STUDY, truth=Truth.REQUIRED)
    lock, most, now = threading.Lock(), 0, 0
    read = preparing.read_sample

    def watched(*arguments: Any) -> Sample:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.1)
        with lock:
            now -= 1
        return read(*arguments)

    monkeypatch.setattr(preparing, "read_sample", watched)
    with caplog.at_level(logging.WARNING):
        opened = CaseStore(tmp_path / "store", memory).open_cases(STUDY, cohort.cases)
    assert len(opened) == 6
    assert most == together
    assert ("built alone" in caplog.text) == (memory < CASE_BYTES)


def test_what_is_reckoned_is_what_is_stored(tmp_path: Path) -> None:
    cohort = read_manifest(write_segmentation_cohort(tmp_path / "data", cases=1), STUDY, truth=Truth.REQUIRED)
    for steps in (["z_normalize"], [{"resample": [0.7, 0.7, 0.7]}], [{"resize": [40, 40, 50]}]):
        study = study_of(changed(SEGMENTATION, preprocessing=steps))
        stored = CaseStore(tmp_path / "store").open_case(study, cohort.cases[0])
        assert stored.label is not None
        foreground = on_disk((stored.folder / "foreground.npy").stat().st_size)
        assert stored_bytes(study, stored.native) == taken_bytes(stored.folder) - foreground + BLOCK_BYTES
        assert building_bytes(study, cohort.cases[0]) == 12 * max(stored.image.size, np.prod(stored.native.shape))


def test_many_small_images_take_whole_blocks_of_the_disk(tmp_path: Path) -> None:
    study = study_of(CLASSIFICATION)
    cohort = read_manifest(write_classification_cohort(tmp_path / "data", cases=3), study, truth=Truth.REQUIRED)
    cases = CaseStore(tmp_path / "store").open_cases(study, cohort.cases)
    files = list((tmp_path / "store" / "cases").glob("*/*/*"))
    blocks = sum(-(-path.stat().st_size // 4096) for path in files) + len(cases)
    needs = needs_of(study, {case.subject: stored.native for case, stored in zip(cohort.cases, cases, strict=True)})
    assert needs.disk == present_bytes(tmp_path) == 4096 * blocks
    assert sum(entry.bytes for entry in CaseStore(tmp_path / "store").list()) == needs.disk


def test_a_file_without_a_header_reserves_nothing(tmp_path: Path) -> None:
    cohort = read_manifest(write_segmentation_cohort(tmp_path / "data", cases=1), STUDY, truth=Truth.REQUIRED)
    cohort.cases[0].channels[0].write_bytes(b"nothing")
    assert building_bytes(STUDY, cohort.cases[0]) == 0
