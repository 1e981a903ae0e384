"""A folder of images as a cohort."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.manifests import touch
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import folder_cohort
from wardround.engine.cohort.folders import gather_cases

ONE = study_of(SEGMENTATION)
TWO = study_of(changed(SEGMENTATION, inputs=["T1w", "T2w"]))


def test_every_image_is_a_case(tmp_path: Path) -> None:
    touch(tmp_path, "b.nii.gz", "a.png", "c.d.NRRD", "notes.txt", ".hidden.nii", "sub/x.nii")
    cohort = folder_cohort(tmp_path, ONE)
    assert [case.subject for case in cohort.cases] == ["a", "b", "c.d"]
    assert [case.channels[0].name for case in cohort.cases] == ["a.png", "b.nii.gz", "c.d.NRRD"]
    assert cohort.place(cohort.cases[0], "Channel_0") == f"{tmp_path.name}, subject 'a', Channel_0"


def test_files_of_several_inputs_are_grouped_by_subject(tmp_path: Path) -> None:
    touch(tmp_path, "x_T2w.nii.gz", "x_T1w.nii.gz", "y_0000.nii.gz", "y_0001.nii.gz")
    cases = folder_cohort(tmp_path, TWO).cases
    assert [[path.name for path in case.channels] for case in cases] == [
        ["x_T1w.nii.gz", "x_T2w.nii.gz"],
        ["y_0000.nii.gz", "y_0001.nii.gz"],
    ]


def test_files_without_an_input_in_their_names_hold_all_inputs(tmp_path: Path) -> None:
    touch(tmp_path, "x.nii.gz", "y.nii.gz")
    assert [len(case.channels) for case in folder_cohort(tmp_path, TWO).cases] == [1, 1]


def test_every_problem_of_a_folder_comes_at_once(tmp_path: Path) -> None:
    touch(tmp_path, "x_T1w.nii", "x_T1w.nrrd", "y_T1w.nii", "z.nii")
    with pytest.raises(InputError) as caught:
        folder_cohort(tmp_path, TWO)
    found = str(caught.value)
    assert "two files are the same input (got x_T1w.nrrd and x_T1w.nii)" in found
    assert "z.nii: the file's name does not end in an input (expected one of _T1w, _T2w)" in found
    assert "subject 'y': the input 'T2w' has no file" in found


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "x.nii", "x.nrrd")
    with pytest.raises(InputError, match=r"got x.nrrd and x.nii"):
        folder_cohort(tmp_path, ONE)


def test_a_folder_without_images_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt")
    with pytest.raises(InputError, match=r"the folder has no images .*\.nii\.gz"):
        folder_cohort(tmp_path, ONE)
    with pytest.raises(InputError, match="there is no such folder"):
        folder_cohort(tmp_path / "none", ONE)


def test_a_case_that_lacks_an_input_is_left_out_with_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "x_T1w.nii", "x_T2w.nii", "anna_T1w.nii.gz", "z.nii")
    found = gather_cases(tmp_path, TWO)
    assert [case.subject for case in found.cohort.cases] == ["x"]
    assert found.left_out == 1
    assert len(found.problems) == 2
    told = " ".join(problem.render() for problem in found.problems)
    assert "Put 'anna_T2w.nii.gz' there, or take 'anna_T1w.nii.gz' out" in told
    assert "z.nii: the file's name does not end in an input" in told


def test_a_folder_of_which_no_case_is_whole_or_whose_files_are_in_doubt_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "x_T1w.nii", "y_T1w.nii")
    with pytest.raises(InputError, match="the input 'T2w' has no file"):
        gather_cases(tmp_path, TWO)
    touch(tmp_path, "x_T2w.nii", "x_T2w.nrrd")
    with pytest.raises(InputError, match="two files are the same input"):
        gather_cases(tmp_path, TWO)
