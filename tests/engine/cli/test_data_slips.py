"""Slips that people make with images, masks and tables: each is named as what it is, with a remedy that mends it."""

from __future__ import annotations

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from tests.engine.cli.hospital import Hospital
from wardround.engine.imaging import read_image, read_label, write_image, write_label


def test_masks_saved_as_rounded_fractions_are_told_together_and_are_to_be_rounded(hospital: Hospital) -> None:
    for number in range(4):
        mask, grid = read_label(hospital.mask(number))
        stored = np.where(mask == 1, 0.9999, np.where(mask == 2, 1.9998, mask)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(stored, nibabel.load(hospital.mask(number)).affine), hospital.mask(number))
        assert grid.shape == stored.shape
    error = hospital.refuse("4 times: a mask holds whole numbers", "Round the mask", options=("--full",))
    assert "0.9999, 1.9998" in error
    assert error.count("Round the mask") == 1


def test_a_series_of_volumes_is_named_as_that(hospital: Hospital) -> None:
    image = nibabel.load(hospital.image(2))
    series = np.repeat(np.asarray(image.dataobj)[..., None], 20, axis=3)
    nibabel.save(nibabel.Nifti1Image(series, image.affine), hospital.image(2))
    error = hospital.refuse("subject 'case_002', Channel_0", "got 20 volumes in one file", "fMRI", "their mean")
    assert "grey" not in error


def test_exchanged_masks_are_named_with_their_owners(hospital: Hospital) -> None:
    for number in (0, 1):
        image, (mask, grid) = read_image(hospital.image(number)), read_label(hospital.mask(number))
        moved = replace(grid, origin=(100.0 * (number + 1), 0.0, 0.0))
        write_image(hospital.image(number), replace(image, geometry=moved))
        write_label(hospital.mask(number), mask, moved)
    hospital.edit("labels/case_000", "labels/case_00x")
    hospital.edit("labels/case_001", "labels/case_000")
    hospital.edit("labels/case_00x", "labels/case_001")
    for own, other in (("case_000", "case_001"), ("case_001", "case_000")):
        for options in ((), ("--full",)):
            words = (f"subject {own!r}, Label", "on that of another row", f"the image of {other!r}")
            assert "registration" not in hospital.refuse(*words, options=options)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SubjectID", "ID", "Is it 'ID'? Then rename that column to SubjectID"),
        ("Label", "Mask", "Is it 'Mask'? Then rename that column to Label"),
        ("Channel_0", "Image", "Is it 'Image'? Rename to Channel_0"),
        ("Channel_0", "T1w", "Is it 'T1w'? Rename to Channel_0"),
        ("Label", "Remarks", "Add a column called Label, with the paths of the masks"),
    ],
)
def test_columns_of_other_names_are_found_by_what_people_call_them(
    hospital: Hospital, old: str, new: str, told: str
) -> None:
    hospital.edit(old, new)
    hospital.refuse("data.csv, header", told)


def test_an_empty_file_is_called_empty(hospital: Hospital) -> None:
    hospital.image(1).write_bytes(b"")
    hospital.refuse("Channel_0 (case_001.nii.gz)", "got an empty file of 0 bytes", "was the disk full?")


def test_a_link_to_a_share_that_is_not_connected(hospital: Hospital) -> None:
    hospital.image(1).unlink()
    hospital.image(1).symlink_to("/mnt/pacs-of-nobody/case_001.nii.gz")
    hospital.refuse("this is a link to '/mnt/pacs-of-nobody/case_001.nii.gz'", "Connect the drive or the share")


def test_sets_that_are_written_in_short(hospital: Hospital) -> None:
    head, first, second, *rest = hospital.manifest.read_text().splitlines()
    lines = [f"{head},Split", f"{first},val", f"{second},tst", *(f"{line},train" for line in rest)]
    hospital.manifest.write_text("\n".join(lines) + "\n")
    hospital.refuse("unknown set 'val'", "Did you mean 'validation'?")
    hospital.refuse("unknown set 'tst'", "Did you mean 'test'?")
