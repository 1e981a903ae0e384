"""Small objects of many makers: each is read rightly, or refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.support.shared_data import shared_data
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import read_header, read_image, read_label, read_label_header
from wardround.engine.imaging.itk import sitk
from wardround.engine.imaging.reading import drawn_on

pytestmark = pytest.mark.shared_data

SLIDE, REPORT = "a whole slide", "a structured report, which holds no image"
OF_SLIDE, FRACTIONS = "a segmentation of a whole slide", "values between 0 and 1 in a frame"
IMAGES = {"ct_image": (128, 128), "dx_image": (169, 211)}
"""What is read as an image, with its shape."""
REFUSED = {
    "sm_annotations": "annotations of a slide, which hold no image",
    "sm_image": SLIDE,
    "sm_image_control": SLIDE,
    "sm_image_dots": SLIDE,
    "sm_image_grayscale": SLIDE,
    "sm_image_grayscale_reversed": SLIDE,
    "sm_image_jpegls": SLIDE,
    "sm_image_jpegls_nobot": SLIDE,
    "sm_image_numbers": SLIDE,
    "sr_document": REPORT,
    "sr_document_with_multiple_groups": REPORT,
}
"""What is refused as an image, and as a mask."""
MASKS: dict[str, tuple[int, ...] | str] = {
    "seg_image_cr_binary": (16, 16),
    "seg_image_ct_binary": (16, 16, 3),
    "seg_image_ct_binary_fractional": (16, 16, 3),
    "seg_image_ct_binary_single_frame": (128, 128, 1),
    "seg_image_ct_binary_overlap": "1 (first segment) and 2 (second segment)",
    "seg_image_ct_true_fractional": FRACTIONS,
    "seg_image_sm_control": OF_SLIDE,
    "seg_image_sm_control_labelmap": OF_SLIDE,
    "seg_image_sm_control_labelmap_palette_color": OF_SLIDE,
    "seg_image_sm_dots": OF_SLIDE,
    "seg_image_sm_dots_tiled_full": OF_SLIDE,
    "seg_image_sm_numbers": OF_SLIDE,
}
"""Segmentations: the shape of those that are read as masks, and why others are not."""


def _file(name: str) -> Path:
    return shared_data() / "dicom_small" / f"{name}.dcm"


def test_the_table_has_every_object() -> None:
    names = {path.stem for path in (shared_data() / "dicom_small").glob("*.dcm")}
    assert names == {*IMAGES, *REFUSED, *MASKS}
    assert len(names) == 25


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_read_with_the_values_that_itk_reads(name: str) -> None:
    image = read_image(_file(name))
    assert image.data.shape == (1, *IMAGES[name])
    np.testing.assert_array_equal(image.data[0], sitk.GetArrayFromImage(sitk.ReadImage(str(_file(name))))[0])


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_image_is_refused_by_name(name: str) -> None:
    for read, noun in ((read_header, "image"), (read_label_header, "mask")):
        with pytest.raises(InputError) as caught:
            read(_file(name))  # type: ignore[operator]
        (problem,) = caught.value.problems
        assert problem.what == f"this DICOM file holds no {noun}"
        assert problem.got == REFUSED[name]
        assert problem.remedy


@pytest.mark.parametrize("name", MASKS)
def test_a_segmentation_is_a_mask_or_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match="holds no image"):
        read_header(_file(name))
    expected = MASKS[name]
    if isinstance(expected, str):
        with pytest.raises(InputError) as caught:
            read_label(_file(name))
        assert expected in caught.value.problems[0].got
        return
    mask, grid = read_label(_file(name))
    assert mask.shape == grid.shape == expected == read_label_header(_file(name)).geometry.shape
    stored = pydicom.dcmread(_file(name))
    assert np.count_nonzero(mask) == np.count_nonzero(stored.pixel_array)


def test_the_segmentation_of_the_image_lies_on_it_and_another_does_not() -> None:
    image, mask = _file("ct_image"), _file("seg_image_ct_binary_single_frame")
    grid = read_header(image).geometry
    assert read_label(mask, grid)[0].shape == grid.shape
    assert drawn_on(mask, image) is None
    assert drawn_on(_file("seg_image_ct_binary"), image) is not None


def test_a_liver_is_the_same_as_a_segmentation_and_as_nrrd() -> None:
    folder = shared_data() / "dicom_ct_seg"
    header = read_header(folder / "ct-3slice")
    mask, grid = read_label(folder / "liver.dcm", header.geometry)
    expected, _ = read_label(folder / "liver_seg.nrrd")
    np.testing.assert_array_equal(mask, expected)
    assert grid == header.geometry
    assert drawn_on(folder / "liver.dcm", folder / "ct-3slice") is None
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder / "ct-3slice")))
    itk = sitk.GetArrayFromImage(reader.Execute()).transpose(2, 1, 0)
    np.testing.assert_array_equal(read_image(folder / "ct-3slice").data[0], itk)


def test_overlapping_segments_are_told_with_their_names() -> None:
    folder = shared_data() / "dicom_ct_seg"
    grid = read_header(folder / "ct-3slice").geometry
    with pytest.raises(InputError, match=r"1 \(GREEN\) and 2 \(ORANGE\) in 3,017 voxels, 1 \(GREEN\) and 3 \(PURPLE\)"):
        read_label(folder / "partial_overlaps.dcm", grid)
