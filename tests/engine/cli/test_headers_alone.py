"""Files that do not fit their image, by their headers: no remedy may spoil a mask whose header alone is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow

from tests.engine.cli.hospital import Hospital
from tests.support.commands import run_wardround
from tests.support.images import write_segmentation_cohort
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.engine.imaging import Geometry, Image, read_image, read_label, write_image, write_label
from wardround.engine.imaging.geometry import direction_matrix

FLAT = changed(
    SEGMENTATION,
    preprocessing=[{"z_normalize": {"within": "all"}}],
    patches={"size": [16, 16], "per_case": 2},
    model={"name": "unet", "dimensions": 2, "filters": 4, "levels": 2},
)
HEADER_ALONE = "nothing may be resampled"


def spacing_lost(grid: Geometry) -> Geometry:
    return replace(grid, spacing=(1.0, 1.0, 1.0))


def mirrored(grid: Geometry) -> Geometry:
    turned = direction_matrix(grid) @ np.diag([-1.0, -1.0, 1.0])
    return replace(grid, direction=tuple(turned.ravel().tolist()))


def origin_lost(grid: Geometry) -> Geometry:
    return replace(grid, origin=(500.0, 0.0, 0.0))


@pytest.mark.parametrize("change", [spacing_lost, mirrored, origin_lost])
def test_a_mask_with_a_wrong_header_alone_is_not_to_be_resampled(
    hospital: Hospital, change: Callable[[Geometry], Geometry]
) -> None:
    mask, grid = read_label(hospital.mask(1))
    write_label(hospital.mask(1), mask, change(grid))
    words = ("the grid differs", "was the mask drawn on this very image?", HEADER_ALONE, "wrong.CopyInformation(right)")
    said = hospital.refuse(*words)
    assert "Only if the mask was drawn on another image, bring it to the grid of" in said
    assert ("1 x 1 x 1 mm, as the mask has, are what a lost header says" in said) == (change is spacing_lost)


def test_where_the_images_header_is_the_lost_one_that_is_said(hospital: Hospital) -> None:
    image = read_image(hospital.image(1))
    write_image(hospital.image(1), replace(image, geometry=spacing_lost(image.geometry)))
    hospital.refuse(HEADER_ALONE, "1 x 1 x 1 mm, as the image has, are what a lost header says")


def test_a_mask_in_another_order_of_voxels_keeps_its_header(hospital: Hospital) -> None:
    stored = nibabel.load(hospital.mask(1))
    nibabel.save(stored.as_reoriented(np.array([[1, -1], [0, 1], [2, 1]])), hospital.mask(1))
    said = hospital.refuse("the same places as those of", "in another order", "do not copy the header alone")
    assert HEADER_ALONE not in said


def test_axes_that_were_exchanged_when_an_array_was_saved(hospital: Hospital) -> None:
    stored = nibabel.load(hospital.mask(1))
    nibabel.save(nibabel.Nifti1Image(np.asarray(stored.dataobj).T, stored.affine), hospital.mask(1))
    hospital.refuse("in another order: were they exchanged when an array was saved?")


def test_masks_that_fit_many_images_are_not_said_to_belong_to_another_row(hospital: Hospital) -> None:
    for number in (0, 1):
        image = read_image(hospital.image(number))
        write_image(hospital.image(number), replace(image, geometry=replace(image.geometry, spacing=(0.8, 0.8, 0.8))))
    said = hospital.refuse("2 times: the grid differs from that of Channel_0", HEADER_ALONE)
    assert "on that of another row" not in said


def _stacked(path: Path, count: int) -> None:
    mask = nibabel.load(path)
    layers = np.stack([np.asarray(mask.dataobj) == value for value in range(count)], axis=-1).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(layers, mask.affine), path)


@pytest.mark.parametrize(
    ("count", "told"),
    [(2, "one volume for each class?"), (3, "for each class and one for the background?"), (7, "Are the 7 structures")],
)
def test_a_volume_for_each_class_is_to_be_one_of_class_numbers(hospital: Hospital, count: int, told: str) -> None:
    _stacked(hospital.mask(1), count)
    words = (f"got {count} volumes in one file", told, "1 for left, 2 for right, and 0 where there is none")
    assert "colour" not in hospital.refuse("a mask has one value per voxel", *words)


def test_a_mask_in_colours_is_to_hold_the_numbers_of_all_classes(tmp_path: Path) -> None:
    manifest = write_segmentation_cohort(tmp_path, shape=(40, 48))
    write_study(tmp_path / "study.yaml", FLAT)
    path = tmp_path / "labels" / "case_001.png"
    Pillow.fromarray(np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)[read_label(path)[0]]).save(path)
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    assert "1 for left, 2 for right, and 0 where there is none, whatever the colours are now" in outcome.err


@pytest.mark.parametrize("inputs", [1, 3])
def test_a_volume_among_photographs_is_one_mistake(tmp_path: Path, hospital: Hospital, inputs: int) -> None:
    manifest = write_segmentation_cohort(tmp_path / "flat", shape=(40, 48))
    write_study(tmp_path / "flat" / "study.yaml", changed(FLAT, inputs=["red", "green", "blue"][:inputs]))
    shutil.copy(hospital.image(0), tmp_path / "flat" / "volume.nii.gz")
    if inputs == 3:
        for picture in (tmp_path / "flat" / "images").iterdir():
            Pillow.open(picture).convert("RGB").save(picture)
    manifest.write_text(manifest.read_text().replace("images/case_002.png", "volume.nii.gz"))
    outcome = run_wardround("check", tmp_path / "flat" / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1
    assert (
        "data.csv:4, subject 'case_002', Channel_0: the image does not have the model's number of axes" in outcome.err
    )


def test_a_slice_as_the_mask_of_a_volume_is_to_be_exported_whole(hospital: Hospital) -> None:
    Pillow.fromarray(np.ones((24, 28), np.uint8)).save(hospital.folder / "labels" / "slice.png")
    hospital.edit("labels/case_001.nii.gz", "labels/slice.png")
    said = hospital.refuse("subject 'case_001', Label", "Export the mask again, with as many axes as the image has")
    assert said.count("error: ") == 1


def test_predictions_of_other_programs_are_not_to_be_resampled_blindly(hospital: Hospital, tmp_path: Path) -> None:
    image = read_image(hospital.image(0))
    other = tmp_path / "other.nii.gz"
    write_image(other, Image(image.data, spacing_lost(image.geometry)))
    hospital.study(changed(SEGMENTATION, inputs=["T1w", "T2w"]))
    rows = hospital.manifest.read_text().splitlines()[1:]
    lines = [",".join((row.split(",")[0], row.split(",")[1], str(other), row.split(",")[2])) for row in rows[:1]]
    hospital.manifest.write_text("\n".join(["SubjectID,Channel_0,Channel_1,Label", *lines]) + "\n")
    hospital.refuse("Channel_1: the grid differs", "was the image made for this very image?", HEADER_ALONE)
