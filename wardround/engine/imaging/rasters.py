"""PNG, JPEG and TIFF: 2D images, indexed (row, column), the way up in which they are to be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wardround.engine.imaging import pictures, tiffs
from wardround.engine.imaging.formats import Format, format_of
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Role, Space
from wardround.engine.imaging.sources import Source


def header(source: Source, role: Role) -> Header:
    """Size, channels and pixel type of a file, upright and in sRGB."""
    found = tiffs.header(source, role) if _is_tiff(source) else pictures.header(source, role)
    return replace(found, space=Space.NOTHING)


def voxels(source: Source, role: Role) -> tuple[np.ndarray, Geometry]:
    """All pixels, shape (channels, rows, columns), and a plain grid; the source is released.

    They are upright by their orientation tag. An image's are in sRGB, without palette and transparency; a mask's are as
    they are stored, so that a palette's are the numbers of its colours.
    """
    array = tiffs.pixels(source, role) if _is_tiff(source) else pictures.pixels(source, role)
    source.release()
    planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return np.ascontiguousarray(planes), plain_geometry(planes.shape[1:])


def _is_tiff(source: Source) -> bool:
    return format_of(source.path) is Format.TIFF
