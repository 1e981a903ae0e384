"""Headers, regions and voxels of DICOM images, as of any other format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.dicom.pixels import channels_of, is_inverted, is_scaled, planes, require_pixels
from wardround.engine.imaging.dicom.regridding import Regridding, laid, resampled_classes, resampled_image
from wardround.engine.imaging.dicom.series import Series, names, series_of
from wardround.engine.imaging.dicom.stacking import Slice
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Remark, Role, Space
from wardround.engine.imaging.readable import Box
from wardround.engine.imaging.sources import Source

_AT_ONCE = 16
"""Slices that are held until they are written into a volume: its values lie the other way round."""
_WHITE = Remark("0 was to be shown white (MONOCHROME1); values are turned round, so that high ones are bright")
_KEPT = Remark("0 is to be shown white (MONOCHROME1); values stay as they were measured")
_LOSSY = Remark("pixels were compressed with loss")
_BURNED = "the header says that text is burned into the pixels (BurnedInAnnotation), which may name the patient"
_LOOK = "Look at the images; blacken the text before they are used"
_UNSAID = (
    "the header does not say whether text is burned into the pixels (BurnedInAnnotation), as it often is in images of "
    "such machines"
)
_RESAMPLED = "the series was resampled onto an even grid, as the study says: what lies between slices was not measured"
_AT_RISK = frozenset({"US", "IVUS", "ES", "XC", "OP", "DG", "RF", "XA", "BMD", "SC", "OT"})
"""Modalities whose machines often write into the picture: ultrasound, endoscopes, photographs, captures of a screen."""
_CAPTURE = "a secondary capture"


@dataclass(frozen=True)
class _Opened:
    """Slices whose pixels can be decoded.

    Attributes:
        slices: in their order.
        geometry: the grid that is read: theirs, or that onto which they are laid.
        space: what is told of the space that they lie in.
        remarks: what is allowed, but worth telling.
        role: what they are read as.
        how: how they are laid onto the grid; None where it is theirs.
    """

    slices: tuple[Slice, ...]
    geometry: Geometry
    space: Space
    remarks: tuple[Remark, ...]
    role: Role
    how: Regridding | None = None

    @property
    def channels(self) -> int:
        return channels_of(self.slices[0].encoding, self.role)

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the values that are meant."""
        kinds = {np.dtype(each.encoding.stored_type) for each in self.slices}
        is_between = self.how is not None and self.role is Role.IMAGE
        return np.dtype(np.float64) if is_between or is_scaled(self.slices) else np.result_type(*kinds)


def header(source: Source, role: Role, dicom: Dicom = REFUSING) -> Header:
    """Grid, channels and pixel type of a series or an image, without its voxels. Raises `InputError`."""
    opened = _open(source, role, dicom)
    kind = "float32" if opened.kind.kind == "f" else opened.kind.name
    remarks = (*opened.remarks, *_remarks(opened.slices))
    return Header(opened.geometry, opened.channels, kind, remarks, opened.space)


def voxels(source: Source, role: Role, dicom: Dicom = REFUSING) -> tuple[np.ndarray, Geometry]:
    """All voxels, shape (channels, *spatial), and the grid; the source is released.

    An image's are float32; a mask's as they are stored, or float64 where they are scaled.
    """
    opened = _open(source, role, dicom)
    grid = opened.geometry
    read = _region(source, opened, tuple(slice(0, side) for side in grid.shape))
    source.release()
    return read, grid


class DicomReadable:
    """A series or an image: of a region the slices that it touches are decoded, with every read anew. One that is laid
    onto another grid is held whole from its first region on."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, source: Source, dicom: Dicom = REFUSING) -> None:
        """Reads the headers. Raises `InputError`."""
        self._source, self._opened = source, _open(source, Role.IMAGE, dicom)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial)."""
        return (self._opened.channels, *self.geometry.shape)

    @property
    def geometry(self) -> Geometry:
        """The grid of the slices, or that onto which they are laid."""
        return self._opened.geometry

    def region(self, box: Box) -> np.ndarray:
        """(channels, *box). Raises `InputError` for pixels that are damaged, and `OSError`."""
        if self._opened.how is not None:
            return self._laid[(slice(None), *box)]
        return _region(self._source, self._opened, box)

    def whole(self) -> np.ndarray:
        """All voxels; raises as `region` does."""
        return self.region(tuple(slice(0, side) for side in self.geometry.shape))

    @cached_property
    def _laid(self) -> np.ndarray:
        return _region(self._source, self._opened, tuple(slice(0, side) for side in self.geometry.shape))


def _open(source: Source, role: Role, dicom: Dicom) -> _Opened:
    series = series_of(source, role.value)
    require_pixels(series, role)
    if role is Role.IMAGE:
        _require_no_text(series, dicom)
    found = laid(source, series, dicom)
    if isinstance(found, Regridding):
        remarks = (*series.remarks, Remark(_RESAMPLED, found.told))
        return _Opened(found.pile.slices, found.grid, Space.BODY, remarks, role, found)
    return _Opened(found.slices, found.geometry, found.space, found.remarks, role)


def _require_no_text(series: Series, dicom: Dicom) -> None:
    """Raise `InputError` for images with text in them, unless the study accepts it."""
    burned = [each.file for each in series.instances if each.burned_in]
    if not burned or dicom.burned_in == "accept":
        return
    remedy = f"{_LOOK}; or, where nobody is named there, write `dicom: {{burned_in: accept}}` in the study"
    got = f"BurnedInAnnotation YES in {len(burned)} of {len(series.instances)} images"
    got += f": {names(series.path, burned)}" if len(series.instances) > 1 else ""
    what = "text is burned into the pixels, as the header says, and may name the patient"
    raise InputError.one(what, where=str(series.path), got=got, expected="images without text", remedy=remedy)


def _region(source: Source, opened: _Opened, box: Box) -> np.ndarray:
    if opened.how is not None:
        read = resampled_image(opened.how).data if opened.role is Role.IMAGE else resampled_classes(opened.how)[None]
        return np.ascontiguousarray(read[(slice(None), *box)])
    if opened.geometry.dimensions == 2:
        return _flat(source, opened, box)
    columns, rows, depth = box
    kind = _kept(opened)
    sides = tuple(max(0, each.stop - each.start) for each in box)
    out = np.empty((1, *sides), dtype=kind)
    buffer = np.empty((_AT_ONCE, sides[1], sides[0]), dtype=kind)
    chosen = opened.slices[depth]
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
    (pixels,) = planes(source, opened.slices, opened.role)
    ordered = np.moveaxis(pixels, -1, 0) if pixels.ndim > 2 else pixels[None]
    return np.array(ordered[(slice(None), *box)], dtype=_kept(opened), order="C")


def _kept(opened: _Opened) -> np.dtype[Any]:
    return np.dtype(np.float32) if opened.role is Role.IMAGE else opened.kind


def _of_text(slices: Sequence[Slice]) -> Iterator[Remark]:
    """What is told of text in the pixels; of the machines that often write there also that nothing is said."""
    first = slices[0].instance
    if any(each.instance.burned_in for each in slices):
        yield Remark(_BURNED, remedy=_LOOK)
    elif first.burned_in is None and (first.modality in _AT_RISK or first.kind.named.startswith(_CAPTURE)):
        yield Remark(_UNSAID, first.modality, _LOOK)


def _remarks(slices: Sequence[Slice]) -> Iterator[Remark]:
    first = slices[0].instance
    if is_inverted(first):
        yield _WHITE
    elif slices[0].encoding.photometric == "MONOCHROME1":
        yield _KEPT
    if any(each.instance.was_lossy for each in slices):
        yield _LOSSY
    yield from _of_text(slices)
    padding = slices[0].encoding.padding
    if padding is not None and slices[0].encoding.is_grey:
        frame = slices[0].frame
        yield Remark(
            "voxels outside of the scanner's field may have a value of their own (PixelPaddingValue), which stays",
            f"{padding * frame.slope + frame.intercept:g}",
            "Clip intensities in `preprocessing` where it matters",
        )
