"""Which subject and which input a file of a folder is, also where one input's name ends in another's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.manifests import touch
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import folder_cohort
from wardround.engine.cohort.naming import Reading, readings_of, settled


def grouped(folder: Path, inputs: Sequence[str], *stems: str) -> dict[str, list[str]]:
    """The stems of each case's files, by subject, in the order of the inputs."""
    touch(folder, *(f"{stem}.nii.gz" for stem in stems))
    cohort = folder_cohort(folder, study_of(changed(SEGMENTATION, inputs=[*inputs])))
    return {case.subject: [path.name.removesuffix(".nii.gz") for path in case.channels] for case in cohort.cases}


NAMED = [
    (["T1", "gd_T1"], {"x": ["x_T1", "x_gd_T1"], "y": ["y_T1", "y_gd_T1"]}),
    (["gd_T1", "T1"], {"x": ["x_gd_T1", "x_T1"]}),
    (["T1", "gd_T1"], {"x_gd": ["x_gd_T1", "x_gd_gd_T1"]}),
    (["T1", "gd_T1"], {"x": ["x_T1", "x_gd_T1"], "x_gd_gd": ["x_gd_gd_T1", "x_gd_gd_gd_T1"]}),
    (["T1", "gd_T1"], {"gd": ["gd_T1", "gd_gd_T1"]}),
    (["T1", "gd_T1"], {"gd": ["gd_T1", "gd_gd_T1"], "x": ["x_T1", "x_gd_T1"]}),
    (["T1", "T1ce", "pre_T1ce"], {"x": ["x_T1", "x_T1ce", "x_pre_T1ce"], "y": ["y_T1", "y_T1ce", "y_pre_T1ce"]}),
    (["T1", "T1ce", "pre_T1ce"], {"x_pre": ["x_pre_T1", "x_pre_T1ce", "x_pre_pre_T1ce"]}),
    (["T1", "gd_T1", "pre_gd_T1"], {"x": ["x_T1", "x_gd_T1", "x_pre_gd_T1"]}),
    (["T1 map", "native T1 map"], {"x": ["x_T1 map", "x_native T1 map"], "a b": ["a b_T1 map", "a b native T1 map"]}),
    (["T1.pre", "gd.T1.pre"], {"x.1": ["x.1_T1.pre", "x.1_gd.T1.pre"]}),
    (["T1", "gd-T1"], {"sub-01": ["sub-01-T1", "sub-01_gd-T1"]}),
    (["T1", "T1ce"], {"BraTS-GLI-00000-000": ["BraTS-GLI-00000-000-t1", "BraTS-GLI-00000-000-t1CE"]}),
    (["T1", "GD_T1"], {"x": ["x_t1", "x_gd_t1"]}),
    (["T1", "t1"], {"x": ["x_T1", "x_t1"]}),
    (["t1", "T1"], {"x_gd": ["x_gd_t1", "x_gd_T1"]}),
    (["T1", "gd_T1"], {"x": ["x_0000", "x_0001"]}),
    (["0001", "0000"], {"x": ["x_0001", "x_0000"]}),
    (["T1", "gd_T1"], {"x_0001": ["x_0001_T1", "x_0001_gd_T1"], "x_0002": ["x_0002_T1", "x_0002_gd_T1"]}),
]


@pytest.mark.parametrize(("inputs", "cases"), NAMED, ids=lambda value: "-".join(value))
def test_names_are_read_so_that_every_subject_is_whole(
    tmp_path: Path, inputs: list[str], cases: dict[str, list[str]]
) -> None:
    assert grouped(tmp_path, inputs, *(stem for stems in cases.values() for stem in stems)) == cases


def told(folder: Path, inputs: Sequence[str], *stems: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        grouped(folder, inputs, *stems)
    return [problem.render() for problem in caught.value.problems]


def test_a_name_that_nothing_decides_is_told_with_its_readings(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["T1", "gd_T1"], "x_T1", "x_gd_T1", "y_gd_T1")
    assert "y_gd_T1.nii.gz: the file's name can be read in several ways" in problem
    assert "input 'gd_T1' of subject 'y', where 'T1' would be missing" in problem
    assert "input 'T1' of subject 'y_gd', where 'gd_T1' would be missing" in problem
    assert "rename the files" in problem


def test_an_odd_one_out_does_not_spoil_the_others(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["T1", "gd_T1"], "x_T1", "x_gd_T1", "x_gd_gd_T1")
    assert "x_gd_gd_T1.nii.gz" in problem
    assert "of subject 'x_gd', where 'T1' would be missing" in problem


def test_of_two_broken_readings_the_better_one_is_told(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["T1", "gd_T1", "T2"], "x_T1", "x_gd_T1")
    assert "subject 'x': the input 'T2' has no file" in problem


def test_a_missing_file_is_told_with_its_name_and_those_that_are_there(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["T1", "gd_T1"], "x_T1", "y_T1", "y_gd_T1")
    assert "subject 'x': the input 'gd_T1' has no file (got x_T1.nii.gz; expected x_gd_T1 as well)" in problem


def test_two_spellings_of_one_input_are_told(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, ["T1", "T2"], "x_T1", "x_t1", "x_T2")
    assert "two files are the same input" in problem
    assert "x_t1.nii.gz and x_T1.nii.gz" in problem


def test_part_of_a_word_is_no_input() -> None:
    assert readings_of("xgd_T1", ["gd_T1", "T1"]) == (Reading("xgd", 1),)
    assert readings_of("xT1", ["T1"]) == ()
    assert readings_of("_T1", ["T1"]) == ()
    assert readings_of("x-0000", ["T1"]) == ()


def test_a_long_chain_of_names_is_decided() -> None:
    paths = [Path(f"x{'_gd' * number}_T1") for number in range(60)]
    found = settled({path: readings_of(path.name, ["T1", "gd_T1"]) for path in paths}, 2)
    assert [ways[0].input for ways in found.values()] == [0, 1] * 30
