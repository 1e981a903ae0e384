"""Files of a folder whose names fit no input, told with the case that they may belong to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.manifests import touch
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.cohort.folders import gather_cases

WHOLE = ("p01_T1.nii.gz", "p01_FLAIR.nii.gz")


def told(folder: Path, *names: str, inputs: tuple[str, ...] = ("T1", "FLAIR")) -> list[str]:
    touch(folder, *names)
    found = gather_cases(folder, study_of(changed(SEGMENTATION, inputs=list(inputs))))
    return [problem.render() for problem in found.problems]


@pytest.mark.parametrize("other", ["p04_T2FLAIR.nii.gz", "p04_T2_FLAIR.nii.gz", "P04-flr.nii.gz", "p04.nii.gz"])
def test_what_may_be_the_missing_input_of_a_case_is_told_with_that_case(tmp_path: Path, other: str) -> None:
    (problem,) = told(tmp_path, *WHOLE, "p04_T1.nii.gz", other)
    assert f"subject 'p04': the input 'FLAIR' has no file, and {other} fits no whole case" in problem
    assert f"If {other} is the FLAIR of 'p04', rename it to 'p04_FLAIR.nii.gz'" in problem
    (tmp_path / other).rename(tmp_path / "p04_FLAIR.nii.gz")
    assert told(tmp_path) == []


def test_one_problem_tells_of_all_that_a_case_lacks(tmp_path: Path) -> None:
    whole = ("a_T1.nii", "a_T2.nii", "a_FLAIR.nii")
    (problem,) = told(tmp_path, *whole, "b_T1.nii", "b_x.nii", "b_y.nii", inputs=("T1", "T2", "FLAIR"))
    assert "the inputs 'T2' and 'FLAIR' have no file, and b_x.nii and b_y.nii fit no whole case" in problem
    assert "If one of b_x.nii, b_y.nii is the T2 or the FLAIR of 'b'" in problem


@pytest.mark.parametrize(
    ("other", "remedy"),
    [
        ("p01_T2.nii.gz", "'p01' has all its inputs already: move this file elsewhere."),
        ("p1_T2.nii.gz", "Rename it to <case>_T1.nii.gz or <case>_FLAIR.nii.gz, by what it shows and whose it is"),
        ("p01_seg.nii.gz", "'p01' has all its inputs already: move this file elsewhere."),
    ],
)
def test_no_case_is_invented_for_a_file_that_fits_none(tmp_path: Path, other: str, remedy: str) -> None:
    (problem,) = told(tmp_path, *WHOLE, other)
    assert remedy in problem
    assert f"{other.removesuffix('.nii.gz')}_T1" not in problem


def test_a_mask_is_not_taken_for_a_missing_input(tmp_path: Path) -> None:
    problems = told(tmp_path, *WHOLE, "p04_T1.nii.gz", "p04_seg.nii.gz")
    assert not any("p04_seg.nii.gz is the FLAIR" in problem for problem in problems)
    assert len(problems) == 2
