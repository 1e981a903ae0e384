"""Read images, headers and masks of any supported format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import format_of
from wardround.engine.imaging.sources import Source
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
    source = Source(path)
    if _is_spatial(source):
        from wardround.engine.imaging import itk

        return itk.header(source)
    from wardround.engine.imaging import rasters

    return rasters.header(source)


def read_image(file: Path | Source) -> Image:
    """All voxels as float32, shape (channels, *spatial). Raises `InputError` for a damaged or unsupported file."""
    return Image(*_voxels(_source(file), _single_precision))


def read_label(file: Path | Source) -> tuple[np.ndarray, Geometry]:
    """A mask's voxels as integers, shape (*spatial), and its grid.

    Files of a floating type are accepted when every voxel holds a whole number. Raises `InputError` otherwise.
    """
    source = _source(file)
    path = source.path

    def convert(voxels: np.ndarray) -> np.ndarray:
        if voxels.shape[0] != 1:
            raise InputError.one(
                "a mask has one value per voxel",
                where=str(path),
                got=f"{voxels.shape[0]} channels",
                remedy="Save the mask as a grey image whose values are the class numbers",
            )
        return _whole_numbers(path, voxels[0])

    return _voxels(source, convert)


def _single_precision(voxels: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array(voxels, dtype=np.float32, order="C")


def _whole_numbers(path: Path, mask: np.ndarray) -> np.ndarray:
    """A compact copy: wide types of which nobody uses the width would cost a big mask eight bytes a voxel."""
    if np.issubdtype(mask.dtype, np.integer):
        return np.array(mask, dtype=_compact(mask), order="C")
    out = np.empty(mask.shape, dtype=np.int32)
    examples, count = [], 0
    for plane, values in zip(out, mask, strict=True):
        broken = ~np.isfinite(values) | (values != np.rint(values)) | (np.abs(values) > 2**31 - 1)
        found = values[broken]
        examples += found[:1].tolist()
        count += found.size
        plane[...] = np.where(broken, 0, values)
    if count:
        raise InputError.one(
            "a mask holds whole numbers",
            where=str(path),
            got=f"{examples[0]:g} in {count:,} voxels of type {mask.dtype}",
            remedy="Was the mask resampled with linear interpolation? Use nearest neighbour",
        )
    return out


def _compact(mask: np.ndarray) -> np.dtype[Any]:
    if mask.dtype.itemsize <= 2 or not mask.size:
        return mask.dtype
    fits = int(mask.min()) >= 0 and int(mask.max()) <= np.iinfo(np.uint16).max
    return np.dtype(np.uint16) if fits else mask.dtype


def _source(file: Path | Source) -> Source:
    return file if isinstance(file, Source) else Source(file)


def _voxels(source: Source, convert: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, Geometry]:
    if _is_spatial(source):
        from wardround.engine.imaging import itk

        return itk.voxels(source, convert)
    from wardround.engine.imaging import rasters

    pixels, geometry = rasters.voxels(source)
    return convert(pixels), geometry


def _is_spatial(source: Source) -> bool:
    """Whether the file's format has a grid. Raises `InputError` where there is no such file, or no such format."""
    format_ = format_of(source.path)
    if not source.place.is_file():
        raise InputError.one("there is no such file", where=str(source.path))
    return format_.spatial
