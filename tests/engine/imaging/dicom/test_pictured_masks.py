"""A picture as the mask of a DICOM image: it has no place of its own, and is laid on the image's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.dicoms import DX, dataset, save
from wardround.engine.imaging import label_grid, read_header, read_image, read_label, read_label_header, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.writing import write_label

MASK = (np.arange(6 * 7).reshape(6, 7) % 3).astype(np.uint8)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.arange(6 * 7, dtype=np.uint16).reshape(6, 7)
    return save(tmp_path / "image.dcm", dataset(pixels, DX, "DX", PixelSpacing=[0.2, 0.3]))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_it_lies_row_on_row_where_the_image_does(image: Path, suffix: str) -> None:
    path = image.with_name(f"mask{suffix}")
    write_label(path, MASK, plain_geometry(MASK.shape))
    mask, grid = read_label(path, label_grid(path, image))
    np.testing.assert_array_equal(mask, MASK)
    assert grid == read_header(image).geometry == read_image(image).geometry
    header = read_label_header(path, label_grid(path, image))
    assert header.geometry == grid
    assert any("does not say where" in remark.what for remark in header.remarks)


def test_one_of_another_size_is_not_laid_there(image: Path) -> None:
    path = image.with_name("mask.png")
    write_label(path, MASK[:, :-1], plain_geometry((6, 6)))
    assert read_label(path, label_grid(path, image))[1] == plain_geometry((6, 6))
    assert read_label_header(path, label_grid(path, image)).geometry == plain_geometry((6, 6))


def test_files_with_places_of_their_own_keep_them(image: Path) -> None:
    """In NIfTI rows and columns may be the other way round; of two pictures neither has a place."""
    scan, picture = image.with_name("image.nii.gz"), image.with_name("image.png")
    write_image(scan, read_image(image))
    write_label(picture, MASK, plain_geometry(MASK.shape))
    mask = image.with_name("mask.png")
    write_label(mask, MASK, plain_geometry(MASK.shape))
    own = image.with_name("mask.nii.gz")
    write_label(own, MASK, plain_geometry(MASK.shape))
    assert label_grid(mask, scan) is label_grid(mask, picture) is label_grid(own, image) is None
