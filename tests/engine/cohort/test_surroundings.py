"""What else lies in a folder of images, and below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.manifests import touch
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import folder_cohort
from wardround.engine.cohort.folders import gather_cases
from wardround.engine.cohort.surroundings import like_masks

ONE = study_of(SEGMENTATION)


def test_files_that_are_called_like_masks_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "p1.nii", "p1_seg.nii", "p2.nii", "p2-Mask.nii", "p3.nii")
    found = gather_cases(tmp_path, ONE)
    (notice,) = found.notices
    assert found.like_masks == ("p1_seg", "p2-Mask")
    assert "2 of 5 images look like masks" in notice.render()
    assert "got p1_seg, p2-Mask" in notice.render()
    assert len(found.cohort.cases) == 5, "a note, and no error: who knows what they are"


@pytest.mark.parametrize("name", ["p1", "Segev", "label", "p1_segev", "unlabel", "p_t1", "mask"])
def test_other_names_are_not(name: str) -> None:
    assert like_masks([name], ["T1w"]) == ()


@pytest.mark.parametrize("name", ["a_label", "a.seg", "a labelmap", "a_GT", "a_segmentation", "b_c-roi"])
def test_names_of_masks_are(name: str) -> None:
    assert like_masks([name], ["T1w"]) == (name,)
    assert like_masks([name], ["label", "seg", "labelmap", "gt", "segmentation", "roi"]) == ()


def _told(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        folder_cohort(folder, ONE)
    return str(caught.value)


def test_a_folder_for_each_patient_is_told_with_what_to_do(tmp_path: Path) -> None:
    touch(tmp_path, "p1/T1w.nii", "p1/T2w.nii", "p2/visit/T1w.nii", "notes.txt", ".hidden/a.nii", "p3/notes.txt")
    told = _told(tmp_path)
    assert "got 1 file of another kind, and 3 images in 2 folders below it" in told
    assert f"`--folder {tmp_path / 'p1'}`" in told
    assert "--manifest" in told


def test_the_one_folder_that_has_the_images_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "nifti/a.nii", "nifti/b.nii", "notes/a.txt")
    assert f"Name that folder: `--folder {tmp_path / 'nifti'}`" in _told(tmp_path)


def test_images_below_are_told_where_images_lie_above_too(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "late/b.nii", "late/c.nii")
    found = gather_cases(tmp_path, ONE)
    assert [case.subject for case in found.cohort.cases] == ["a"]
    (notice,) = found.notices
    assert "2 images lie there (got such as late/b.nii)" in notice.render()


def _predicted(folder: Path, name: str) -> None:
    with Made(folder, PREDICT).writing(name) as path:
        write_atomic(path, b"mask")


def test_what_a_prediction_wrote_is_no_image(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    _predicted(tmp_path, "a.png")
    _predicted(tmp_path / "below", "a.png")
    found = gather_cases(tmp_path, ONE)
    assert [case.channels[0].name for case in found.cohort.cases] == ["a.jpg"]
    assert not found.notices
    told = _told(tmp_path / "below")
    assert "1 prediction that `wardround predict` wrote" in told
    assert "Name the folder of the images themselves" in told


def test_a_file_in_the_place_of_a_folder_is_called_what_it_is(tmp_path: Path) -> None:
    touch(tmp_path, "data.csv", "images/a.nii", "notes.txt")
    assert f"`--manifest {tmp_path / 'data.csv'}`" in _told(tmp_path / "data.csv")
    assert f"`--folder {tmp_path / 'images'}`" in _told(tmp_path / "images" / "a.nii")
    assert "Name the folder in which the images lie" in _told(tmp_path / "notes.txt")


def test_several_inputs_have_no_masks_among_them(tmp_path: Path) -> None:
    touch(tmp_path, "x_T1w.nii", "x_seg.nii")
    assert not gather_cases(tmp_path, study_of(changed(SEGMENTATION, inputs=["T1w", "seg"]))).notices
