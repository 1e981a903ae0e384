"""`wardround check` on files that are damaged, odd, or do not fit each other."""

from __future__ import annotations

import errno
import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.engine.cli.hospital import SHAPE, Hospital
from tests.support.commands import run_wardround
from tests.support.images import write_classification_cohort, write_table
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, write_study
from wardround.engine.basics.dicom import Dicom
from wardround.engine.imaging import (
    Geometry,
    Header,
    Image,
    read_header,
    read_image,
    read_label,
    write_image,
    write_label,
)
from wardround.engine.imaging.geometry import plain_geometry


def test_a_mask_value_outside_the_classes(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(1))
    mask[3, 4, 5:7] = 9
    write_label(hospital.mask(1), mask, grid)
    assert hospital.check().code == 0
    hospital.refuse(
        "data.csv:3, subject 'case_001', Label (case_001.nii.gz)",
        "the mask has values outside the study's classes",
        "got 9 in 2 voxels; expected 0 (background), 1 (left), 2 (right)",
        options=("--full",),
    )


def test_image_and_mask_of_different_geometry_are_told_axis_by_axis(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(0))
    other = Geometry((24, 28, 18), (1.0, 1.5, 2.0), (-31.0, 12.5, 9.0), grid.direction)
    write_label(hospital.mask(0), mask[..., :18], other)
    where = "data.csv:2, subject 'case_000', Label"
    hospital.refuse(
        where,
        "the grid differs from that of Channel_0",
        "size of axis z: 18 against 20",
        "Bring the file to the grid of",
    )
    hospital.refuse(where, "spacing of axis y: 1.5 against 1.2 mm")
    hospital.refuse(where, "origin along z: 9 against 7 mm")


def test_a_difference_on_one_axis_is_not_made_up_for_by_another(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(0))
    spacing = (1.0 + 0.3, 1.2 - 0.3, 2.0)
    write_label(hospital.mask(0), mask, Geometry(grid.shape, spacing, grid.origin, grid.direction))
    hospital.refuse("spacing of axis x: 1.3 against 1")
    hospital.refuse("spacing of axis y: 0.9 against 1.2")


def _on_spacings(hospital: Hospital, image: float, mask: float) -> None:
    """A long first case, so that little per voxel is much at its end."""
    plain = plain_geometry((480, 28, 20))
    voxels = np.random.default_rng(0).normal(size=(1, *plain.shape)).astype(np.float32)
    write_image(hospital.image(0), Image(voxels, replace(plain, spacing=(image, 1.0, 1.0))))
    write_label(hospital.mask(0), (voxels[0] > 0).astype(np.uint8), replace(plain, spacing=(mask, 1.0, 1.0)))


def test_a_spacing_that_is_rounded_is_noted_or_told_as_that(hospital: Hospital) -> None:
    _on_spacings(hospital, 0.703125, 0.7026)
    hospital.refuse("the grid differs from that of Channel_0", "registration")
    _on_spacings(hospital, 0.703125, 0.7030)
    assert hospital.check().code == 0
    _on_spacings(hospital, 0.703625, 0.7036)
    assert hospital.check().code == 0
    _on_spacings(hospital, 0.70349, 0.703)
    assert "same spacing but for rounding; they count as one grid" in hospital.check().out
    _on_spacings(hospital, 0.703125, 0.70)
    hospital.refuse("the spacing is that of Channel_0 but for rounding", "0.7 against 0.703125", "CopyInformation")


def test_channels_of_different_geometry(hospital: Hospital) -> None:
    hospital.study(changed(SEGMENTATION, inputs=["T1w", "T2w"]))
    image = read_image(hospital.image(0))
    turned = Geometry(
        image.geometry.shape, image.geometry.spacing, image.geometry.origin, plain_geometry(SHAPE).direction
    )
    write_image(hospital.folder / "images" / "turned.nii.gz", Image(image.data, turned))
    row = ("case", "images/case_000.nii.gz", "images/turned.nii.gz", "labels/case_000.nii.gz")
    write_table(hospital.manifest, ("SubjectID", "Channel_0", "Channel_1", "Label"), [row])
    hospital.refuse("subject 'case', Channel_1", "direction of axis x")


@pytest.mark.parametrize("damage", ["cut", "header", "text", "empty", "flipped"])
def test_a_damaged_nifti(hospital: Hospital, damage: str) -> None:
    path = hospital.image(1)
    content = path.read_bytes()
    plain = gzip.decompress(content)
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "header": gzip.compress(plain[:200]),
            "text": b"SubjectID,Channel_0\n",
            "empty": b"",
            "flipped": content[:2000] + bytes(byte ^ 255 for byte in content[2000:2100]) + content[2100:],
        }[damage]
    )
    where = "data.csv:3, subject 'case_001', Channel_0 (case_001.nii.gz)"
    hospital.refuse(where, "the image cannot be read", options=("--full",))


def test_a_damaged_png(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    picture = tmp_path / "images" / "picture_002.png"
    picture.write_bytes(picture.read_bytes()[:200])
    (tmp_path / "images" / "picture_004.png").write_bytes(b"GIF89a no picture")
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest, "--full")
    assert outcome.code == 2
    assert "data.csv:4, subject 'picture_002', Channel_0 (picture_002.png): the image cannot be read" in outcome.err
    assert (
        "data.csv:6, subject 'picture_004', Channel_0 (picture_004.png): the file is not what its name says"
        in outcome.err
    )


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_that_is_not_finite(hospital: Hospital, suffix: str, value: float) -> None:
    image = read_image(hospital.image(2))
    image.data[0, 3, 4, 5] = value
    write_image(hospital.folder / "images" / f"broken{suffix}", image)
    hospital.edit("images/case_002.nii.gz", f"images/broken{suffix}")
    where = f"data.csv:4, subject 'case_002', Channel_0 (broken{suffix})"
    hospital.refuse(where, "the image has values that are not numbers", options=("--full",))


def test_the_first_value_that_is_not_finite_is_named(hospital: Hospital) -> None:
    image = read_image(hospital.image(2))
    image.data[0, 3:5, 4, 5] = np.nan
    write_image(hospital.folder / "images" / "broken.nrrd", image)
    hospital.edit("images/case_002.nii.gz", "images/broken.nrrd")
    hospital.refuse("got 2 that are NaN, infinite or beyond", "the first at (3, 4, 5)", options=("--full",))


def test_a_mask_of_fractions(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(2))
    fractions = mask.astype(np.float32)
    fractions[0, 0, 0] = 0.5
    write_image(hospital.mask(2), Image(fractions[None], grid))
    hospital.refuse("subject 'case_002', Label", "a mask holds whole numbers", "0.5 in 1 voxels", options=("--full",))


def test_an_image_without_contrast(hospital: Hospital) -> None:
    image = read_image(hospital.image(2))
    write_image(hospital.image(2), Image(np.zeros_like(image.data), image.geometry))
    hospital.refuse("subject 'case_002', Channel_0", "no contrast, so it cannot be normalised", options=("--full",))
    hospital.study(changed(SEGMENTATION, preprocessing=[]))
    assert "note: data.csv: 1 cases have a channel whose voxels are all equal" in hospital.check("--full").out


def test_empty_masks_and_absent_classes_are_notices(hospital: Hospital) -> None:
    mask, grid = read_label(hospital.mask(3))
    write_label(hospital.mask(3), np.zeros_like(mask), grid)
    hospital.study(changed(SEGMENTATION, classes={"left": 1, "right": 2, "third": 3}))
    outcome = hospital.check("--full")
    assert outcome.code == 0
    assert "note: data.csv: 1 of 6 masks are empty: 'case_003'." in outcome.out
    assert "note: data.csv: no mask has the class 'third' (3)." in outcome.out


def test_2d_images_for_a_3d_study(hospital: Hospital) -> None:
    flat = Image(np.ones((1, 24, 28), np.uint8), plain_geometry((24, 28)))
    write_image(hospital.folder / "images" / "flat.png", flat)
    hospital.edit("images/case_000.nii.gz", "images/flat.png")
    found = hospital.refuse("case_000", "model's number of axes", "got 2 axes of 24 x 28 voxels; expected 3")
    assert found.count("error: ") == 1


def test_a_colour_picture_for_one_input(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    picture = tmp_path / "images" / "picture_002.png"
    Pillow.open(picture).convert("RGB").save(picture)
    write_study(tmp_path / "study.yaml", CLASSIFICATION)
    outcome = run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest)
    assert outcome.code == 2
    assert "got 3 values per voxel; expected 1 value per voxel" in outcome.err


def test_colour_pictures_for_three_inputs(tmp_path: Path) -> None:
    manifest = write_classification_cohort(tmp_path)
    for picture in (tmp_path / "images").iterdir():
        Pillow.open(picture).convert("RGB").save(picture)
    write_study(tmp_path / "study.yaml", changed(CLASSIFICATION, inputs=["red", "green", "blue"]))
    assert run_wardround("check", tmp_path / "study.yaml", "--manifest", manifest, "--full").code == 0


def test_a_format_that_cannot_be_read(hospital: Hospital) -> None:
    (hospital.folder / "images" / "scan.npy").write_bytes(b"numbers")
    hospital.edit("images/case_000.nii.gz", "images/scan.npy")
    hospital.refuse("case_000", "this file format is not supported", "got .npy", "Arrays carry no geometry")


def test_a_file_that_may_not_be_read(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, dicom: Dicom) -> Header:
        if path == hospital.image(4):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_header(path, dicom)

    monkeypatch.setattr("wardround.engine.inspection.headers.read_header", read)
    hospital.refuse(
        "data.csv:6, subject 'case_004', Channel_0",
        "the file cannot be read (got Permission denied; expected a file that this user may read)",
    )


@pytest.mark.parametrize(("size", "better"), [(SHAPE, ""), ((32, 32, 32), "`patches: {size: [24, 28, 20]}`")], ids=str)
def test_a_patch_that_fits_already_is_not_advised(hospital: Hospital, size: tuple[int, int, int], better: str) -> None:
    hospital.study(changed(SEGMENTATION, preprocessing=[], patches={"size": [*size], "per_case": 1}))
    image, (mask, grid) = read_image(hospital.image(0)), read_label(hospital.mask(0))
    smaller = replace(grid, shape=(24, 28, 16))
    write_image(hospital.image(0), Image(image.data[..., :16], smaller))
    write_label(hospital.mask(0), mask[..., :16], smaller)
    out = hospital.check().out
    assert "smaller than the patch" in out
    assert ("wastes less work" in out) == bool(better)
    assert better in out
