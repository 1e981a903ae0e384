"""NRRD and MetaImage: strictly read headers, and voxels in one pass, checked to their last byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, cast

import numpy as np

from wardround.engine.imaging import metaimage, nrrd
from wardround.engine.imaging.formats import Format, format_of
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.layouts import Layout
from wardround.engine.imaging.payloads import require_plausible, unpacked
from wardround.engine.imaging.sources import Source


def header(source: Source) -> Header:
    """Grid, channels and pixel type of a file, without its voxels, of which there are known to be enough bytes."""
    with source.place.open("rb") as stream:
        found = _layout(source, cast(BinaryIO, stream))
        require_plausible(source.path, cast(BinaryIO, stream), found.payload)
    kind = found.payload.stored.newbyteorder("=").name
    return Header(found.grid, found.channels, kind, found.remarks, found.space)


def voxels(source: Source, convert: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, Geometry]:
    """All voxels, shape (channels, *spatial), and the grid; the source is released.

    `convert` is given the voxels as a view of memory that is freed afterwards, and must copy what it keeps.
    """
    with source.place.open("rb") as stream:
        found = _layout(source, cast(BinaryIO, stream))
        raw = unpacked(source.path, cast(BinaryIO, stream), found.payload)
    source.release()
    return convert(found.ordered(raw)), found.grid


def _layout(source: Source, stream: BinaryIO) -> Layout:
    read = nrrd.layout if format_of(source.path) is Format.NRRD else metaimage.layout
    return read(source.path, stream)
