"""Read images, headers and masks of any supported format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import Format, format_of
from wardround.engine.imaging.types import Geometry, Image


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its voxels are read.

    Attributes:
        geometry: the voxel grid.
        channels: values per voxel: 3 for RGB, the length of the fourth axis of a 4D file, otherwise 1.
        pixel_type: numpy's name of the stored type, such as `int16`.
    """

    geometry: Geometry
    channels: int
    pixel_type: str


def read_header(path: Path) -> Header:
    """Grid, channels and pixel type, without the voxels where the format allows. Raises `InputError`."""
    format_ = _existing(path)
    if format_.spatial:
        from wardround.engine.imaging import itk

        return itk.header(path)
    from wardround.engine.imaging import rasters

    return rasters.header(path)


def read_image(path: Path) -> Image:
    """All voxels as float32, shape (channels, *spatial). Raises `InputError` for a damaged or unsupported file."""
    voxels, geometry = _voxels(path)
    with np.errstate(over="ignore"):
        return Image(np.ascontiguousarray(voxels, dtype=np.float32), geometry)


def read_label(path: Path) -> tuple[np.ndarray, Geometry]:
    """A mask's voxels as integers, shape (*spatial), and its grid.

    Files of a floating type are accepted when every voxel holds a whole number. Raises `InputError` otherwise.
    """
    voxels, geometry = _voxels(path)
    if voxels.shape[0] != 1:
        raise InputError.one(
            "a mask has one value per voxel",
            where=str(path),
            got=f"{voxels.shape[0]} channels",
            remedy="Save the mask as a grey image whose values are the class numbers",
        )
    return _whole_numbers(path, voxels[0]), geometry


def _whole_numbers(path: Path, mask: np.ndarray) -> np.ndarray:
    if np.issubdtype(mask.dtype, np.integer):
        return np.ascontiguousarray(mask)
    broken = ~np.isfinite(mask) | (mask != np.rint(mask)) | (np.abs(mask) > 2**31 - 1)
    if broken.any():
        raise InputError.one(
            "a mask holds whole numbers",
            where=str(path),
            got=f"{float(mask[broken][0]):g} in {int(broken.sum()):,} voxels of type {mask.dtype}",
            remedy="Was the mask resampled with linear interpolation? Use nearest neighbour",
        )
    return np.ascontiguousarray(mask, dtype=np.int32)


def _voxels(path: Path) -> tuple[np.ndarray, Geometry]:
    format_ = _existing(path)
    if format_.spatial:
        from wardround.engine.imaging import itk

        return itk.voxels(path)
    from wardround.engine.imaging import rasters

    return rasters.voxels(path)


def _existing(path: Path) -> Format:
    format_ = format_of(path)
    if not path.is_file():
        raise InputError.one("there is no such file", where=str(path))
    return format_
