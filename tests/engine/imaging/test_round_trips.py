"""What is written is read back, in every format, by ourselves and by an independent reader."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from tests.support.images import oblique_geometry
from wardround.engine.imaging import (
    Geometry,
    Image,
    geometry_differences,
    read_header,
    read_image,
    read_label,
    write_image,
    write_label,
)
from wardround.engine.imaging.geometry import plain_geometry

VOLUMES = (".nii", ".nii.gz", ".nrrd", ".mha")


def _volume(channels: int = 1, shape: tuple[int, ...] = (5, 6, 7)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(channels, *shape)).astype(np.float32)


@pytest.mark.parametrize("suffix", VOLUMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_volume_comes_back_with_its_grid(tmp_path: Path, suffix: str, channels: int) -> None:
    image = Image(_volume(channels), oblique_geometry((5, 6, 7)))
    path = tmp_path / f"scan{suffix}"
    write_image(path, image)
    back = read_image(path)
    np.testing.assert_array_equal(back.data, image.data)
    assert geometry_differences(back.geometry, image.geometry) == ()
    header = read_header(path)
    assert (header.geometry, header.channels, header.pixel_type) == (back.geometry, channels, "float32")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", VOLUMES)
def test_a_mask_comes_back(tmp_path: Path, suffix: str) -> None:
    mask = np.random.default_rng(1).integers(0, 700, (4, 5, 6))
    write_label(tmp_path / f"mask{suffix}", mask, oblique_geometry((4, 5, 6)))
    back, geometry = read_label(tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(back, mask)
    assert back.dtype == np.uint16
    assert geometry_differences(geometry, oblique_geometry((4, 5, 6))) == ()


def test_axes_are_x_y_z_as_another_reader_sees_them(tmp_path: Path) -> None:
    image = Image(_volume(), oblique_geometry((5, 6, 7)))
    write_image(tmp_path / "scan.nii.gz", image)
    other = nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(np.asarray(other.dataobj), image.data[0])
    matrix = np.asarray(image.geometry.direction).reshape(3, 3) * np.asarray(image.geometry.spacing)
    flip = np.diag([-1, -1, 1])  # NIfTI counts to the right and the front, DICOM to the left and the back
    np.testing.assert_allclose(other.affine[:3, :3], flip @ matrix, atol=1e-5)
    np.testing.assert_allclose(other.affine[:3, 3], flip @ np.asarray(image.geometry.origin), atol=1e-5)


def test_a_file_with_a_fourth_axis_has_channels(tmp_path: Path) -> None:
    data = _volume(4)
    nibabel.save(nibabel.Nifti1Image(np.moveaxis(data, 0, -1), np.eye(4)), tmp_path / "four.nii.gz")
    np.testing.assert_array_equal(read_image(tmp_path / "four.nii.gz").data, data)
    assert read_header(tmp_path / "four.nii.gz").channels == 4
    assert read_header(tmp_path / "four.nii.gz").geometry.shape == (5, 6, 7)


@pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii.gz"])
def test_a_2d_spatial_file_is_indexed_row_column(tmp_path: Path, suffix: str) -> None:
    geometry = Geometry((4, 6), (0.5, 0.25), (10.0, -3.0), (0.8, 0.6, -0.6, 0.8))
    image = Image(_volume(1, (4, 6)), geometry)
    write_image(tmp_path / f"flat{suffix}", image)
    back = read_image(tmp_path / f"flat{suffix}")
    np.testing.assert_array_equal(back.data, image.data)
    assert geometry_differences(back.geometry, geometry) == ()


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "uint8"), (".png", "uint16"), (".tif", "uint16"), (".tif", "float32")]
)
def test_a_grey_picture_comes_back_in_rows_and_columns(tmp_path: Path, suffix: str, kind: str) -> None:
    pixels = np.random.default_rng(2).integers(0, 250, (5, 9)).astype(kind) * (200 if kind == "uint16" else 1)
    write_image(tmp_path / f"grey{suffix}", Image(pixels.astype(kind)[None], plain_geometry((5, 9))))
    back = read_image(tmp_path / f"grey{suffix}")
    np.testing.assert_array_equal(back.data[0], pixels)
    assert read_header(tmp_path / f"grey{suffix}").pixel_type == kind
    assert back.geometry == plain_geometry((5, 9))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_rgb_gives_three_channels(tmp_path: Path, suffix: str) -> None:
    pixels = np.random.default_rng(3).integers(0, 255, (3, 5, 9)).astype(np.uint8)
    write_image(tmp_path / f"colour{suffix}", Image(pixels, plain_geometry((5, 9))))
    np.testing.assert_array_equal(read_image(tmp_path / f"colour{suffix}").data, pixels)
    assert read_header(tmp_path / f"colour{suffix}").channels == 3
    np.testing.assert_array_equal(np.asarray(Pillow.open(tmp_path / f"colour{suffix}"))[..., 0], pixels[0])


def test_jpeg_and_planar_tiff_are_read(tmp_path: Path) -> None:
    pixels = np.full((8, 12), 77, dtype=np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "grey.jpg")
    np.testing.assert_allclose(read_image(tmp_path / "grey.jpg").data[0], pixels, atol=1)
    planes = np.random.default_rng(4).integers(0, 255, (3, 5, 9)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "planar.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "planar.tif").data, planes)


def test_a_float_mask_of_whole_numbers_is_a_mask(tmp_path: Path) -> None:
    mask = np.random.default_rng(5).integers(0, 3, (4, 5, 6))
    write_image(tmp_path / "mask.nii.gz", Image(mask.astype(np.float32)[None], plain_geometry((4, 5, 6))))
    back, _ = read_label(tmp_path / "mask.nii.gz")
    assert np.issubdtype(back.dtype, np.integer)
    np.testing.assert_array_equal(back, mask)


def test_neighbours_of_the_same_stem_are_not_mixed_up(tmp_path: Path) -> None:
    first, second = _volume(), _volume() + 1
    write_image(tmp_path / "scan.nii", Image(first, plain_geometry((5, 6, 7))))
    write_image(tmp_path / "scan.nii.gz", Image(second, plain_geometry((5, 6, 7))))
    np.testing.assert_array_equal(read_image(tmp_path / "scan.nii").data, first)
    np.testing.assert_array_equal(read_image(tmp_path / "scan.nii.gz").data, second)
