"""Checks that a file holds all the bytes that its header announces.

ITK's NIfTI reader returns whatever was in memory for the missing part of a file that was cut short, without an error,
and its MetaImage reader writes to the terminal. So both are checked before ITK sees them.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from pathlib import Path

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import Format, format_of, suffix_of, unreadable

_BLOCK = 1 << 20
_REMEDY = "Copy or export it again"
_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
_META_BYTES |= {"LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def require_header(path: Path) -> None:
    """Raise `InputError` if the file does not start with a whole header of its format, or is plainly too short."""
    format_ = format_of(path)
    if format_ is Format.NIFTI:
        _nifti_size(path)
    elif format_ is Format.META:
        _require_meta(path)


def require_intact(path: Path) -> None:
    """Raise `InputError` if the file is shorter than its header says, or its compressed stream is damaged."""
    require_header(path)
    if suffix_of(path) == ".nii.gz":
        _require_length(path, _decompressed_size(path), _nifti_size(path))


def _nifti_size(path: Path) -> int:
    """Bytes that a NIfTI file should have when decompressed; an uncompressed one is known to have them."""
    compressed = suffix_of(path) == ".nii.gz"
    try:
        with gzip.open(path) if compressed else path.open("rb") as stream:
            start = stream.read(540)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged_stream(path, error) from None
    announced = _nifti_bytes(start)
    if announced is None:
        raise unreadable(path, "a file that is not NIfTI", _REMEDY)
    if not compressed:
        _require_length(path, path.stat().st_size, announced)
    return announced


def _decompressed_size(path: Path) -> int:
    total = 0
    try:
        with gzip.open(path) as stream:
            while block := stream.read(_BLOCK):
                total += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged_stream(path, error) from None
    return total


def _damaged_stream(path: Path, error: Exception) -> InputError:
    return unreadable(path, f"a damaged gzip stream ({error})", _REMEDY)


def _require_length(path: Path, present: int, announced: int) -> None:
    if present < announced:
        raise unreadable(path, f"a file cut short: {present:,} of {announced:,} bytes", _REMEDY)


def _nifti_bytes(start: bytes) -> int | None:
    """Bytes of a whole file by its first 540: voxel offset plus voxels. None if it is no NIfTI header."""
    for order in "<>":
        if len(start) >= 348 and struct.unpack_from(f"{order}i", start)[0] == 348:
            sizes, bits = struct.unpack_from(f"{order}8h", start, 40), struct.unpack_from(f"{order}h", start, 72)[0]
            offset = int(struct.unpack_from(f"{order}f", start, 108)[0])
            return _announced(sizes, bits, offset)
        if len(start) >= 540 and struct.unpack_from(f"{order}i", start)[0] == 540:
            sizes, bits = struct.unpack_from(f"{order}8q", start, 16), struct.unpack_from(f"{order}h", start, 14)[0]
            return _announced(sizes, bits, struct.unpack_from(f"{order}q", start, 168)[0])
    return None


def _announced(sizes: tuple[int, ...], bits: int, offset: int) -> int | None:
    if not 1 <= sizes[0] <= 7:
        return None
    return offset + math.prod(max(size, 1) for size in sizes[1 : 1 + sizes[0]]) * bits // 8


def _require_meta(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(16384)
    match = re.search(rb"ElementDataFile\s*=\s*LOCAL\r?\n", start)
    if match is None:
        raise unreadable(path, "a MetaImage without voxels in the same file", "Save it as one .mha file")
    fields = dict(re.findall(r"(\w+)\s*=\s*(.*?)\s*\n", start[: match.end()].decode("latin-1")))
    announced = _meta_bytes(fields)
    present = path.stat().st_size - match.end()
    if announced is None or present < announced:
        got = "an incomplete header" if announced is None else f"a file cut short: {present:,} of {announced:,} bytes"
        raise unreadable(path, got, _REMEDY)


def _meta_bytes(fields: dict[str, str]) -> int | None:
    """Bytes of voxels that a MetaImage header announces; None when it lacks what is needed to tell."""
    size_of_type = _META_BYTES.get(fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY"))
    sizes = fields.get("DimSize", "").split()
    if size_of_type is None or not sizes or not all(size.isdigit() for size in sizes):
        return None
    if fields.get("CompressedData", "False").lower() == "true":
        return int(fields.get("CompressedDataSize", "0"))
    return math.prod(map(int, (*sizes, fields.get("ElementNumberOfChannels", "1")))) * size_of_type
