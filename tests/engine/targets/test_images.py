"""Images that are to be made: what a study and a table say of them, and all that can be wrong with either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.engine.experiments.made import made_cohort, made_study
from tests.support.commands import run_wardround
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments.models import write_study
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.study.located_problems import flaws_of
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": []}, "does not name the images to be made"),
        ({"targets": ["a", "a"]}, "two targets have the same name"),
        ({"targets": ["grey", "other"]}, "some targets are inputs"),
        ({"classes": {"one": 1}}, "a synthesis has no classes"),
        ({"rest": "background"}, "a synthesis has no background"),
        ({"ignore": 255}, "to which `ignore` belongs"),
        ({"regions": {"whole": 1}}, "to which `regions` belongs"),
        ({"columns": {"age": "number"}}, "learned from images alone"),
        ({"preprocessing": [{"cohort_clip": {"within": "foreground"}}]}, "foreground"),
        ({"training": {"loss": "dice_ce"}}, "serves segmentation only"),
        ({"training": {"loss": "ssim"}, "patches": {"size": [8, 8]}}, "this patch is thinner"),
    ],
)
def test_what_a_study_says_that_does_not_fit(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        made_study(**changes)
    assert any(words in flaw.what for flaw in flaws_of(raised.value, Study)), flaws_of(raised.value, Study)


def test_columns_are_numbered_and_an_input_that_is_made_again_needs_none() -> None:
    study = made_study(targets=["first", "second"])
    assert [column.name for column in target_of(study).columns(study)] == ["Target_0", "Target_1"]
    again = made_study(targets=["grey"])
    assert not target_of(again).columns(again)
    assert target_of(again).made_of_inputs(again) == (0,)


def _edit(folder: Path, *changes: tuple[str, str]) -> None:
    text = (folder / "data.csv").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "data.csv").write_text(text)


def _told(folder: Path) -> list[str]:
    """The problems that a full check finds."""
    write_study(folder / "study.yaml", made_study())
    outcome = run_wardround("check", folder / "study.yaml", "--manifest", folder / "data.csv", "--full")
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    return outcome.err.split("error: ")[1:]


def _all_told(told: list[str], wanted: list[tuple[str, ...]]) -> None:
    for words in wanted:
        assert any(all(word in each for word in words) for each in told), (words, told)


def test_whatever_is_wrong_with_files_is_told_at_once(tmp_path: Path) -> None:
    made_cohort(tmp_path, cases=8)
    normal, shape = np.random.default_rng(0).normal, (24, 28)
    broken = normal(size=(1, *shape))
    broken[0, 3, 4] = np.nan
    spoilt = (normal(size=(1, 20, 28)), normal(size=(3, *shape)), broken, np.full((1, *shape), 7))
    for place, data in enumerate(spoilt):
        picture = Image(data.astype(np.float32), plain_geometry(data.shape[1:]))
        write_image(tmp_path / f"target-{place}-0.tif", picture)
    (tmp_path / "target-4-0.tif").write_bytes(b"")
    (tmp_path / "target-5-0.tif").write_bytes((tmp_path / "target-7-0.tif").read_bytes()[:400])
    volume = Image(normal(size=(1, *shape, 3)).astype(np.float32), plain_geometry((*shape, 3)))
    write_image(tmp_path / "volume.nii.gz", volume)
    _edit(tmp_path, ("target-6-0.tif", "volume.nii.gz"))
    wanted = [
        ("'case-6', Target_0", "3 axes"),
        ("'case-0', Target_0", "20 x 28"),
        ("'case-1', Target_0", "3 values per voxel"),
        ("'case-4', Target_0", "target-4-0.tif"),
        ("'case-5', Target_0", "target-5-0.tif"),
    ]
    _all_told(_told(tmp_path), [*wanted, ("'case-2', Target_0", "NaN"), ("'case-3', Target_0", "no contrast")])


def test_whatever_is_wrong_with_a_table_is_told_at_once(tmp_path: Path) -> None:
    made_cohort(tmp_path, cases=4)
    pairs = (("target-0-0.tif", ""), ("target-1-0.tif", "nowhere.tif"), ("target-2-0.tif", "image-2.tif"))
    _edit(tmp_path, *pairs)
    wanted = [("'case-0', Target_0", "empty"), ("nowhere.tif",), ("'case-2', Target_0", "the same file")]
    _all_told(_told(tmp_path), wanted)
    _edit(tmp_path, ("Target_0", "Output"))
    _all_told(_told(tmp_path), [("the column 'Target_0' is missing", "'Output'")])


def test_where_truth_is_optional_a_row_may_lack_it_as_a_whole(tmp_path: Path) -> None:
    study, manifest = made_study(targets=["first", "second"]), made_cohort(tmp_path, targets=2)
    _edit(tmp_path, ("target-0-0.tif,target-0-1.tif", ","))
    cohort = read_manifest(manifest, study, truth=Truth.OPTIONAL)
    assert [len(case.targets) for case in cohort.cases] == [0, *(2,) * 8]
    assert not any(case.targets for case in read_manifest(manifest, study, truth=Truth.UNREAD).cases)
