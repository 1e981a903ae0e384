"""Images in the place of masks and masks in the place of images, known by what they hold."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.engine.cli.hospital import Hospital
from tests.support.studies import SEGMENTATION, changed
from wardround.engine.imaging import read_image, read_label, write_image, write_label

FULL = ("--full",)


def exchange(hospital: Hospital, number: int) -> None:
    """Exchange the cells of one row."""
    image, mask = f"images/case_{number:03d}.nii.gz", f"labels/case_{number:03d}.nii.gz"
    hospital.edit(f"{image},{mask}", f"{mask},{image}")


def as_integers(hospital: Hospital, most: int) -> None:
    """Images of whole numbers, as of a CT or a photograph."""
    for number in range(6):
        image = read_image(hospital.image(number))
        data = np.clip(np.rint(image.data), 0, most).astype(np.int16)
        write_image(hospital.image(number), replace(image, data=data))


@pytest.mark.parametrize("most", [None, 32000, 120], ids=["floats", "whole numbers", "fewer"])
def test_columns_that_are_exchanged_are_the_headers_mistake(hospital: Hospital, most: int | None) -> None:
    if most is not None:
        as_integers(hospital, most)
    hospital.edit("Channel_0,Label", "Label,Channel_0")
    said = hospital.refuse(
        "data.csv, header: the columns Channel_0 and Label seem to be exchanged",
        "only 0, 1, 2 in Channel_0 (case_000.nii.gz)",
        "Exchange the names Channel_0 and Label in the header",
        options=FULL,
    )
    assert said.count("error: ") == 1
    assert "rest: background" not in said


def test_rows_that_are_exchanged_are_told_with_their_lines(hospital: Hospital) -> None:
    exchange(hospital, 2)
    hospital.refuse("data.csv:4, subject 'case_002': image and mask seem to be exchanged", options=FULL)
    exchange(hospital, 5)
    said = hospital.refuse("Exchange the cells Channel_0 and Label on lines 4 and 7", options=FULL)
    assert said.count("error: ") == 1


def test_a_mask_of_fractions_beside_a_real_image_is_not_exchanged(hospital: Hospital) -> None:
    mask, _ = read_label(hospital.mask(2))
    image = read_image(hospital.image(2))
    soft = np.random.default_rng(0).random(mask.shape).astype(np.float32)
    write_image(hospital.mask(2), replace(image, data=soft[None]))
    assert "exchanged" not in hospital.refuse("a mask holds whole numbers", options=FULL)


def test_copies_under_another_name_are_told_by_the_cell_that_is_wrong(hospital: Hospital) -> None:
    shutil.copy(hospital.mask(1), hospital.image(1))
    shutil.copy(hospital.image(3), hospital.mask(3))
    hospital.refuse("'case_001', Channel_0 (case_001.nii.gz): the mask itself stands in the place of", options=FULL)
    hospital.refuse("'case_003', Label (case_003.nii.gz): the image itself stands in the place of", options=FULL)


def test_one_file_in_both_cells_may_be_either(hospital: Hospital) -> None:
    hospital.edit("images/case_001.nii.gz", "labels/case_001.nii.gz")
    hospital.refuse(
        "the mask is the same file as the image", "If it is the mask, name the image in the column of the image"
    )


@pytest.mark.parametrize("rest", ["error", "background"])
def test_images_of_few_values_beside_masks_of_many_are_allowed(hospital: Hospital, rest: str) -> None:
    named = range(1, 41 if rest == "error" else 3)
    hospital.study(changed(SEGMENTATION, rest=rest, classes={f"part{value}": value for value in named}))
    for number in range(6):
        image, (mask, grid) = read_image(hospital.image(number)), read_label(hospital.mask(number))
        write_image(hospital.image(number), replace(image, data=1 + (image.data > 120).astype(np.float32)))
        mask.reshape(-1)[:41] = np.arange(41)
        write_label(hospital.mask(number), mask, grid)
    assert hospital.check(*FULL).code == 0
