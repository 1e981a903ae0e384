"""Headers, regions and voxels of DICOM images, as of any other format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardround.engine.imaging.dicom.pixels import channels_of, is_inverted, is_scaled, planes, require_readable
from wardround.engine.imaging.dicom.series import Series, series_of
from wardround.engine.imaging.dicom.stacking import Slice, Stack, stack_of
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Remark, Role
from wardround.engine.imaging.readable import Box
from wardround.engine.imaging.sources import Source

_AT_ONCE = 16
"""Slices that are held until they are written into a volume: its values lie the other way round."""
_WHITE = Remark("0 was to be shown white (MONOCHROME1); values are turned round, so that high ones are bright")
_KEPT = Remark("0 is to be shown white (MONOCHROME1); values stay as they were measured")
_LOSSY = Remark("pixels were compressed with loss")
_BURNED = Remark(
    "the header says that text is burned into the pixels (BurnedInAnnotation), which may name the patient",
    remedy="Look at the image; blacken the text before it is used",
)


@dataclass(frozen=True)
class _Opened:
    """A stack whose pixels can be decoded."""

    stack: Stack
    role: Role

    @property
    def channels(self) -> int:
        return channels_of(self.stack.slices[0].encoding, self.role)

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the values that are meant."""
        slices = self.stack.slices
        kinds = {np.dtype(each.encoding.stored_type) for each in slices}
        return np.dtype(np.float64) if is_scaled(slices) else np.result_type(*kinds)


def header(source: Source, role: Role) -> Header:
    """Grid, channels and pixel type of a series or an image, without its voxels. Raises `InputError`."""
    opened = _open(source, role)
    kind = "float32" if opened.kind.kind == "f" else opened.kind.name
    stack = opened.stack
    return Header(stack.geometry, opened.channels, kind, (*stack.remarks, *_remarks(stack.slices)), stack.space)


def voxels(source: Source, role: Role) -> tuple[np.ndarray, Geometry]:
    """All voxels, shape (channels, *spatial), and the grid; the source is released.

    An image's are float32; a mask's as they are stored, or float64 where they are scaled.
    """
    opened = _open(source, role)
    grid = opened.stack.geometry
    read = _region(source, opened, tuple(slice(0, side) for side in grid.shape))
    source.release()
    return read, grid


class DicomReadable:
    """A series or an image: of a region the slices that it touches are decoded, with every read anew."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, source: Source) -> None:
        """Reads the headers. Raises `InputError`."""
        self._source, self._opened = source, _open(source, Role.IMAGE)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial)."""
        return (self._opened.channels, *self.geometry.shape)

    @property
    def geometry(self) -> Geometry:
        """The grid of the slices."""
        return self._opened.stack.geometry

    def region(self, box: Box) -> np.ndarray:
        """(channels, *box). Raises `InputError` for pixels that are damaged, and `OSError`."""
        return _region(self._source, self._opened, box)

    def whole(self) -> np.ndarray:
        """All voxels; raises as `region` does."""
        return self.region(tuple(slice(0, side) for side in self.geometry.shape))


def _open(source: Source, role: Role) -> _Opened:
    series = series_of(source, role.value)
    require_pixels(series, role)
    return _Opened(stack_of(series), role)


def require_pixels(series: Series, role: Role) -> None:
    """Raise `InputError` for a series whose pixels cannot be decoded, or scaled, or trusted as those of a mask."""
    for instance in series.instances:
        require_readable(instance)
        if role is Role.MASK and instance.was_lossy:
            got = "pixels that were compressed with loss"
            raise unreadable(
                instance.file, got, "Export the mask again without it: it changes the numbers at every edge"
            )
        if not all(math.isfinite(frame.slope) and math.isfinite(frame.intercept) for frame in instance.frames):
            raise unreadable(instance.file, "values scaled by what is no number", "Export it again")
        if any(frame.slope == 0 for frame in instance.frames):
            raise unreadable(instance.file, "values that are all scaled by 0 (RescaleSlope)", "Export it again")


def _region(source: Source, opened: _Opened, box: Box) -> np.ndarray:
    if opened.stack.geometry.dimensions == 2:
        return _flat(source, opened, box)
    columns, rows, depth = box
    kind = _kept(opened)
    sides = tuple(max(0, each.stop - each.start) for each in box)
    out = np.empty((1, *sides), dtype=kind)
    buffer = np.empty((_AT_ONCE, sides[1], sides[0]), dtype=kind)
    chosen = opened.stack.slices[depth]
    for first, pixels in _in_blocks(planes(source, chosen, opened.role), len(chosen)):
        for number, plane in enumerate(pixels):
            with np.errstate(over="ignore"):
                buffer[number] = plane[rows, columns]
        held = min(_AT_ONCE, len(chosen) - first)
        out[0, :, :, first : first + held] = buffer[:held].transpose(2, 1, 0)
    return out


def _in_blocks(decoded: Iterator[np.ndarray], count: int) -> Iterator[tuple[int, Iterator[np.ndarray]]]:
    """Planes a few at a time, each few with the number of their first."""
    for first in range(0, count, _AT_ONCE):
        yield first, (next(decoded) for _ in range(min(_AT_ONCE, count - first)))


def _flat(source: Source, opened: _Opened, box: Box) -> np.ndarray:
    (pixels,) = planes(source, opened.stack.slices, opened.role)
    ordered = np.moveaxis(pixels, -1, 0) if pixels.ndim > 2 else pixels[None]
    return np.array(ordered[(slice(None), *box)], dtype=_kept(opened), order="C")


def _kept(opened: _Opened) -> np.dtype[Any]:
    return np.dtype(np.float32) if opened.role is Role.IMAGE else opened.kind


def _remarks(slices: Sequence[Slice]) -> Iterator[Remark]:
    first = slices[0].instance
    if is_inverted(first):
        yield _WHITE
    elif slices[0].encoding.photometric == "MONOCHROME1":
        yield _KEPT
    if any(each.instance.was_lossy for each in slices):
        yield _LOSSY
    if any(each.instance.burned_in for each in slices):
        yield _BURNED
    padding = slices[0].encoding.padding
    if padding is not None and slices[0].encoding.is_grey:
        frame = slices[0].frame
        yield Remark(
            "voxels outside of the scanner's field may have a value of their own (PixelPaddingValue), which stays",
            f"{padding * frame.slope + frame.intercept:g}",
            "Clip intensities in `preprocessing` where it matters",
        )
