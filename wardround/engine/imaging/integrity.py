"""Checks that a file holds all the bytes that its header announces.

ITK's NIfTI reader returns whatever was in memory for the missing part of a file that was cut short, and turns values
that are not numbers into 0, both without a word; its MetaImage reader writes to the terminal. So files of both formats
are checked before ITK sees them.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import Format, format_of, suffix_of, unreadable
from wardround.engine.imaging.sources import Source

_BLOCK = 1 << 20
_REMEDY = "Copy or export it again"
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
_META_BYTES |= {"LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


@dataclass(frozen=True)
class _Nifti:
    """Where a NIfTI file's voxels lie: first byte, one past the last, and their type where it is a floating one."""

    start: int
    end: int
    float_type: np.dtype[np.floating] | None


def require_header(source: Source) -> None:
    """Raise `InputError` if the file does not start with a whole header of its format, or is plainly too short."""
    format_ = format_of(source.path)
    if format_ is Format.NIFTI:
        _nifti_layout(source)
    elif format_ is Format.META:
        _require_meta(source)


def require_intact(source: Source) -> None:
    """Raise `InputError` if the file is shorter than its header says, if its compressed stream is damaged, or, for
    NIfTI, if voxels are not numbers."""
    require_header(source)
    if format_of(source.path) is Format.NIFTI:
        _require_voxels(source, _nifti_layout(source))


def _nifti_layout(source: Source) -> _Nifti:
    """The layout that a header announces; an uncompressed file is known to be long enough."""
    with _nifti_stream(source) as stream:
        layout = _parse_nifti(stream.read(540))
    if layout is None:
        raise unreadable(source.path, "a file that is not NIfTI", _REMEDY)
    if suffix_of(source.path) == ".nii":
        _require_length(source.path, source.place.stat().st_size, layout.end)
    return layout


def _require_voxels(source: Source, layout: _Nifti) -> None:
    broken, path = 0, source.path
    with _nifti_stream(source) as stream:
        total = len(stream.read(layout.start))
        while block := stream.read(_BLOCK):
            broken += _not_numbers(block[: max(0, layout.end - total)], layout.float_type)
            total += len(block)
    _require_length(path, total, layout.end)
    if broken:
        got = f"{broken:,} voxels are NaN or infinite"
        raise InputError.one("the image has values that are not numbers", where=str(path), got=got)


def _not_numbers(block: bytes, float_type: np.dtype[np.floating] | None) -> int:
    if float_type is None:
        return 0
    values = np.frombuffer(block, float_type, len(block) // float_type.itemsize)
    return int(values.size - np.count_nonzero(np.isfinite(values)))


@contextlib.contextmanager
def _nifti_stream(source: Source) -> Iterator[BinaryIO]:
    compressed = suffix_of(source.path) == ".nii.gz"
    try:
        with gzip.open(source.place) if compressed else source.place.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged_stream(source.path, error) from None


def _damaged_stream(path: Path, error: Exception) -> InputError:
    return unreadable(path, f"a damaged gzip stream ({error})", _REMEDY)


def _require_length(path: Path, present: int, announced: int) -> None:
    if present < announced:
        raise unreadable(path, f"a file cut short: {present:,} of {announced:,} bytes", _REMEDY)


def _parse_nifti(start: bytes) -> _Nifti | None:
    """The layout by a file's first 540 bytes; None if they are no NIfTI header, of version 1 or 2."""
    for order in "<>":
        if len(start) >= 348 and struct.unpack_from(f"{order}i", start)[0] == 348:
            sizes, (code, bits) = (
                struct.unpack_from(f"{order}8h", start, 40),
                struct.unpack_from(f"{order}2h", start, 70),
            )
            return _layout(sizes, code, bits, int(struct.unpack_from(f"{order}f", start, 108)[0]), order)
        if len(start) >= 540 and struct.unpack_from(f"{order}i", start)[0] == 540:
            sizes, (code, bits) = (
                struct.unpack_from(f"{order}8q", start, 16),
                struct.unpack_from(f"{order}2h", start, 12),
            )
            return _layout(sizes, code, bits, struct.unpack_from(f"{order}q", start, 168)[0], order)
    return None


def _layout(sizes: tuple[int, ...], code: int, bits: int, offset: int, order: str) -> _Nifti | None:
    if not 1 <= sizes[0] <= 7 or offset < 0 or bits < 1:
        return None
    end = offset + math.prod(max(size, 1) for size in sizes[1 : 1 + sizes[0]]) * bits // 8
    float_name = _NIFTI_FLOATS.get(code)
    return _Nifti(offset, end, None if float_name is None else np.dtype(order + float_name))


def _require_meta(source: Source) -> None:
    path = source.path
    with source.place.open("rb") as file:
        start = file.read(16384)
    match = re.search(rb"ElementDataFile\s*=\s*LOCAL\r?\n", start)
    if match is None:
        raise unreadable(path, "a MetaImage without voxels in the same file", "Save it as one .mha file")
    fields = dict(re.findall(r"(\w+)\s*=\s*(.*?)\s*\n", start[: match.end()].decode("latin-1")))
    announced = _meta_bytes(fields)
    present = source.place.stat().st_size - match.end()
    if announced is None or present < announced:
        got = "an incomplete header" if announced is None else f"a file cut short: {present:,} of {announced:,} bytes"
        raise unreadable(path, got, _REMEDY)


def _meta_bytes(fields: dict[str, str]) -> int | None:
    """Bytes of voxels that a MetaImage header announces; None when it lacks what is needed to tell."""
    size_of_type = _META_BYTES.get(fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY"))
    sizes = [*fields.get("DimSize", "").split(), fields.get("ElementNumberOfChannels", "1")]
    compressed = fields.get("CompressedDataSize", "0")
    if size_of_type is None or len(sizes) < 2 or not all(number.isdigit() for number in (*sizes, compressed)):
        return None
    if fields.get("CompressedData", "False").lower() == "true":
        return int(compressed)
    return math.prod(map(int, sizes)) * size_of_type
