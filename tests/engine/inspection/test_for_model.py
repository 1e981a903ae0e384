"""Images that a trained model cannot be used on: the remedy concerns the images, for nobody can change the model."""

from __future__ import annotations

from pathlib import Path

from tests.support.manifests import touch
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import Problem
from wardround.engine.cohort import folder_cohort
from wardround.engine.inspection.for_model import for_model
from wardround.engine.inspection.headers import OTHER_AXES, OTHER_CHANNELS

ONE = study_of(SEGMENTATION)
TWO = study_of(changed(SEGMENTATION, inputs=["T1w", "T2w"]))


def test_a_folder_of_flat_images_for_a_model_of_volumes_is_one_problem(tmp_path: Path) -> None:
    touch(tmp_path, *(f"x{number}.png" for number in range(9)))
    found = [Problem(OTHER_AXES, f"x{number}", remedy="Write `dimensions: 2`") for number in range(9)]
    (told,) = for_model(found, ONE, folder_cohort(tmp_path, ONE))
    assert "got flat images, with 2 axes, in all of 9 files; expected volumes, with 3 axes" in told.render()
    assert f"This model (study {ONE.study}, segmentation) is for volumes" in told.remedy
    assert str(tmp_path) == told.where


def test_one_flat_image_among_volumes_keeps_its_place(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "b.png")
    (told,) = for_model([Problem(OTHER_AXES, "b", remedy="Write it")], ONE, folder_cohort(tmp_path, ONE))
    assert told.where == "b"
    assert "choose another model" in told.remedy


def test_files_that_do_not_name_their_input_are_told_what_to_be_called(tmp_path: Path) -> None:
    touch(tmp_path, "img00.nii.gz")
    (told,) = for_model([Problem(OTHER_CHANNELS, "img00")], TWO, folder_cohort(tmp_path, TWO))
    assert "No name ends in _T1w or _T2w" in told.remedy
    assert "img00_T1w.nii.gz, img00_T2w.nii.gz, or list them in a table and use --manifest" in told.remedy
