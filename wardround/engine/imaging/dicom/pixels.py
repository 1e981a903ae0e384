"""The pixels of frames: decoded, in colours that are seen, or as the numbers that were measured."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import colours
from wardround.engine.imaging.dicom.decoders import can_decode, syntax_name
from wardround.engine.imaging.dicom.encoding import Encoding
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.series import Series
from wardround.engine.imaging.dicom.stacking import Slice
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.image import Role
from wardround.engine.imaging.sources import Source

MEASURED = frozenset({"CT", "PT", "NM", "MR"})
"""Modalities whose values are measured: that 0 is to be shown white says nothing of them."""
_COLOURS = 3
_PALETTE = "PALETTE COLOR"
_GREY = ("MONOCHROME1", "MONOCHROME2")
_KNOWN = (*_GREY, _PALETTE, "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_TABLES = tuple(
    pydicom.tag.Tag(f"{name}{colour}PaletteColorLookupTable{part}")
    for name, part in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
    for colour in ("Red", "Green", "Blue")
)
_PROFILE = pydicom.tag.Tag("ICCProfile")


def require_readable(instance: Instance) -> None:
    """Raise `InputError` for pixels that cannot be decoded here, or are neither grey nor colours."""
    encoding = instance.encoding
    if encoding is None:
        raise unreadable(instance.file, "an object without pixels", "Export it again with its images")
    if encoding.photometric not in _KNOWN:
        raise unreadable(instance.file, f"an image in {encoding.photometric} colours", "Export it in grey or RGB")
    wanted = 1 if encoding.photometric in (*_GREY, _PALETTE) else _COLOURS
    if encoding.samples != wanted:
        got = f"{encoding.samples} values per pixel, of {encoding.photometric}"
        raise unreadable(instance.file, got, "Export it in grey or RGB")
    if not can_decode(encoding.syntax):
        name = syntax_name(encoding.syntax)
        remedy = f"Unpack it, for instance with `gdcmconv --raw {instance.file.name} unpacked.dcm`, or export it again"
        raise unreadable(instance.file, f"pixels that are packed as {name}", f"{remedy} without compression")


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


def channels_of(encoding: Encoding, role: Role) -> int:
    """Values per pixel of what is read."""
    return 1 if encoding.is_grey or (encoding.photometric == _PALETTE and role is Role.MASK) else _COLOURS


def is_inverted(instance: Instance) -> bool:
    """Whether stored values are turned round, so that high ones are bright as in all other images."""
    encoding = instance.encoding
    is_white = encoding is not None and encoding.photometric == "MONOCHROME1"
    return is_white and instance.modality not in MEASURED


def is_scaled(slices: Sequence[Slice]) -> bool:
    """Whether values are not meant as they are stored."""
    return any(
        (each.frame.slope, each.frame.intercept) != (1.0, 0.0) or each.instance.table is not None for each in slices
    )


def planes(source: Source, slices: Sequence[Slice], role: Role) -> Iterator[np.ndarray]:
    """The pixels of slices, one after the other: (rows, columns), or (rows, columns, 3) of colours.

    A mask's are as they are stored, unless they are scaled. Raises `InputError` for damaged pixels, and `OSError`.
    """
    for instance, group in groupby(slices, key=lambda each: each.instance):
        these = list(group)
        decoded = _decoded(source, instance, [each.frame.number for each in these], role)
        for each, pixels in zip(these, decoded, strict=True):
            yield _measured(each, pixels) if each.encoding.is_grey else pixels


def stored_frames(source: Source, instance: Instance, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """The stored values of an object's frames, (rows, columns). Raises `InputError` for damaged pixels."""
    return _decoded(source, instance, numbers, Role.MASK)


def _decoded(source: Source, instance: Instance, numbers: Sequence[int], role: Role) -> Iterator[np.ndarray]:
    require_readable(instance)
    tables = pydicom.Dataset()
    asked: Any = partial(iter_pixels, ds_out=tables, specific_tags=[*_TABLES, _PROFILE], indices=numbers, raw=False)
    # A generator that goes back to its file when it ends, so it must end first.
    with source.open(instance.file) as stream, closing(asked(_complete(instance, stream))) as frames:
        for _ in numbers:
            pixels = _next(instance, frames)
            is_grey = pixels.ndim < _COLOURS and not _is_palette(instance)
            yield pixels if role is Role.MASK or is_grey else _seen(instance, pixels, tables)


def _complete(instance: Instance, stream: BinaryIO) -> Any:
    """What pydicom decodes: the file, or all of one that does not tell its transfer syntax, with that."""
    if instance.encoding is None or not instance.encoding.is_bare:
        return stream
    dataset = pydicom.dcmread(stream, force=True)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(instance.encoding.syntax)
    return dataset


def _is_palette(instance: Instance) -> bool:
    return instance.encoding is not None and instance.encoding.photometric == _PALETTE


def _next(instance: Instance, frames: Iterator[np.ndarray]) -> np.ndarray:
    try:
        return np.asarray(next(frames))
    except (StopIteration, ValueError, AttributeError, KeyError, IndexError, TypeError, EOFError) as error:
        raise _damaged(instance, error) from None
    except (RuntimeError, struct.error) as error:
        raise _damaged(instance, error) from None


def _damaged(instance: Instance, error: Exception) -> InputError:
    encoding = instance.encoding
    packed = syntax_name(encoding.syntax) if encoding is not None else ""
    got = f"pixels that cannot be decoded ({packed}; {type(error).__name__})"
    return unreadable(instance.file, got, "Copy or export it again")


def _seen(instance: Instance, pixels: np.ndarray, tables: Any) -> np.ndarray:
    """Colours, (rows, columns, 3), in sRGB."""
    from PIL import Image as Pillow

    if _is_palette(instance):
        pixels = apply_color_lut(pixels, tables)
    if pixels.dtype == np.uint16 and _is_palette(instance):
        pixels = (pixels >> 8).astype(np.uint8)
    profile = tables.get("ICCProfile")
    if profile is None or pixels.dtype != np.uint8:
        return pixels
    found = colours.profile_of(instance.file, bytes(profile), Role.IMAGE)
    return np.asarray(colours.to_srgb(instance.file, Pillow.fromarray(np.ascontiguousarray(pixels)), found))


def _measured(found: Slice, pixels: np.ndarray) -> np.ndarray:
    """Values as they were measured; as they are stored where nothing scales them."""
    instance, frame, encoding = found.instance, found.frame, found.encoding
    if is_inverted(instance):
        highest = -1 if encoding.signed else (1 << encoding.stored) - 1
        pixels = (highest - pixels.astype(np.int64)).astype(pixels.dtype)
    if instance.table is not None:
        last = len(instance.table.values) - 1
        return np.asarray(instance.table.values[np.clip(pixels.astype(np.int64) - instance.table.first, 0, last)])
    if (frame.slope, frame.intercept) == (1.0, 0.0):
        return pixels
    return pixels * np.float64(frame.slope) + frame.intercept
