"""NIfTI, version 1 and 2: headers through nibabel, voxels from the stream in one pass, checked to their last byte.

The NIfTI library that ITK brings believes pixdim over the sform, returns whatever was in memory for the missing part of
a file that was cut short, turns values that are not numbers into 0, and writes to the terminal. So it reads none.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import suffix_of, unreadable
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.payloads import MOST_COMPRESSED
from wardround.engine.imaging.readable import Box
from wardround.engine.imaging.sources import Source
from wardround.engine.imaging.transforms import Placement, place

_BLOCK = 1 << 20
_REMEDY = "Copy or export it again"
_VERSIONS: dict[int, tuple[type, int]] = {348: (nibabel.Nifti1Header, 348), 540: (nibabel.Nifti2Header, 540)}
_MAGIC = {348: b"n+1\0", 540: b"n+2\0"}
_NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_COLOURS = {128: 3, 2304: 4}
_OTHERS = {1: "1-bit voxels", 32: "complex numbers", 1536: "128-bit numbers", 1792: "complex numbers"}
_OTHERS |= {2048: "complex numbers"}
_VECTOR = 1007
_AXES = "an image with 2 or 3 axes, or a fourth with the channels"


@dataclass(frozen=True)
class _Layout:
    """Where a file's voxels lie and what they are.

    Attributes:
        start: the first byte.
        stored: numpy's type, with its byte order.
        shape: of a grid, 2 or 3 axes, x first.
        channels: values per voxel.
        colour: whether they lie side by side, voxel by voxel; otherwise channel after channel.
        slope: what stored values are multiplied by, with `inter` to be added; (1, 0) for neither.
        inter: see `slope`.
        placement: the grid.
    """

    start: int
    stored: np.dtype[Any]
    shape: tuple[int, ...]
    channels: int
    colour: bool
    slope: float
    inter: float
    placement: Placement

    @property
    def size(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.channels * self.stored.itemsize

    @property
    def scaled(self) -> bool:
        """Whether values are not meant as they are stored."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def kind(self) -> np.dtype[Any]:
        """The type of the values that are meant: wide enough for those that are stored."""
        if not self.scaled:
            return self.stored.newbyteorder("=")
        narrow = self.stored.itemsize <= 2 or self.stored == np.dtype("f4")
        return np.dtype(np.float32 if narrow else np.float64)


def header(source: Source) -> Header:
    """Grid, channels and pixel type of a file, without its voxels; an uncompressed file is known to be long enough."""
    with _stream(source) as stream:
        layout = _layout(source.path, stream)
    if not _is_compressed(source):
        _require_length(source.path, source.place.stat().st_size, layout.start + layout.size)
    found = layout.placement
    return Header(found.geometry, layout.channels, layout.kind.name, found.remarks, found.space)


def raw_header(source: Source) -> Any:
    """The nibabel header of a file. Raises `InputError` if there is none."""
    with _stream(source) as stream:
        return _parse(source.path, stream.read(540))[0]


def voxels(source: Source, convert: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, Geometry]:
    """All voxels, shape (channels, *spatial), and the grid; the source is released.

    `convert` is given the voxels as a view of memory that is freed afterwards, and must copy what it keeps.
    """
    with _stream(source) as stream:
        layout = _layout(source.path, stream)
        raw = _read(source, stream, layout)
    source.release()
    return convert(_channels_first(layout, _scaled(layout, raw))), layout.placement.geometry


def can_be_read_by_region(source: Source) -> bool:
    """Whether the voxels of a file lie in it as they are, so that any of them can be found."""
    return not _is_compressed(source)


class NiftiReadable:
    """A file that is not compressed: of a region no other voxels than its own are read, with every read anew."""

    dtype: np.dtype[Any] = np.dtype(np.float32)

    def __init__(self, source: Source) -> None:
        """Reads the header. Raises `InputError` for one that is damaged, and for a file cut short."""
        self._source = source
        with _stream(source) as stream:
            self._layout = _layout(source.path, stream)
        _require_length(source.path, source.place.stat().st_size, self._layout.start + self._layout.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial)."""
        return (self._layout.channels, *self.geometry.shape)

    @property
    def geometry(self) -> Geometry:
        """The grid of the file."""
        return self._layout.placement.geometry

    def region(self, box: Box) -> np.ndarray:
        """(channels, *box). Raises `InputError` if a value there is NaN or infinite, and `OSError`."""
        layout = self._layout
        stored = np.memmap(
            self._source.place, layout.stored, "r", layout.start, (layout.size // layout.stored.itemsize,)
        )
        raw = np.array(_channels_first(layout, stored)[(slice(None), *box)], order="C")
        _require_numbers(self._source.path, raw.reshape(-1))
        with np.errstate(over="ignore"):
            return _scaled(layout, raw.reshape(-1)).astype(np.float32).reshape(raw.shape)

    def whole(self) -> np.ndarray:
        """All voxels; raises as `region` does."""
        return self.region(tuple(slice(0, side) for side in self.geometry.shape))


@contextlib.contextmanager
def _stream(source: Source) -> Iterator[BinaryIO]:
    try:
        with gzip.open(source.place) if _is_compressed(source) else source.place.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise unreadable(source.path, f"a damaged gzip stream ({error})", _REMEDY) from None


def _is_compressed(source: Source) -> bool:
    return suffix_of(source.path) == ".nii.gz"


def _layout(path: Path, stream: BinaryIO) -> _Layout:
    """The layout that a header announces."""
    start = stream.read(540)
    fields, version = _parse(path, start)
    offset = _offset(path, fields, version)
    shape, channels = _axes(path, fields)
    stored, colours = _type(path, fields)
    slope, inter = _scaling(path, fields)
    return _Layout(offset, stored, shape, channels * colours, colours > 1, slope, inter, place(path, fields, shape))


def _parse(path: Path, start: bytes) -> tuple[Any, int]:
    """A file's header by its first bytes, and the header's length, which tells its version."""
    for order in "<>":
        length = struct.unpack(f"{order}i", start[:4])[0] if len(start) >= 4 else 0
        if length in _VERSIONS and len(start) >= length:
            kind, size = _VERSIONS[length]
            return _with_magic(path, kind(start[:size], endianness=order, check=False), length), length
    raise unreadable(path, "a file that is not NIfTI" if len(start) >= 348 else "a file cut short", _REMEDY)


def _with_magic(path: Path, fields: Any, length: int) -> Any:
    magic = bytes(fields["magic"].tobytes())[:4].ljust(4, b"\0")
    if magic == _MAGIC[length]:
        return fields
    remedy = "Convert it to one file, .nii.gz"
    if magic[:2] == b"ni":
        raise unreadable(path, "the header of a pair (.hdr and .img), whose voxels lie in another file", remedy)
    raise unreadable(path, "a header in the manner of Analyze 7.5, which tells no orientation", remedy)


def _offset(path: Path, fields: Any, version: int) -> int:
    """The place of the first voxel. Writers that leave it 0 mean the end of the header and its four bytes of flags."""
    offset = float(fields["vox_offset"])
    least = version + 4
    if offset == 0:
        return least
    if not math.isfinite(offset) or offset < version or not offset.is_integer():
        raise unreadable(path, f"voxels that begin at byte {offset:g}, within the header", _REMEDY)
    return int(offset)


def _axes(path: Path, fields: Any) -> tuple[tuple[int, ...], int]:
    """The grid's shape and the channels. Axes of length 1 beyond the third are none."""
    count = int(fields["dim"][0])
    if not 1 <= count <= 7:
        raise unreadable(path, f"a header that names {count} axes", _REMEDY)
    sizes = [int(size) for size in fields["dim"][1 : count + 1]]
    if min(sizes) < 1:
        raise unreadable(path, f"axes of {' x '.join(map(str, sizes))} voxels", _REMEDY)
    _require_few(path, sizes)
    # A slice with several values per voxel has no other way to say so than a third axis of length 1.
    flat = count == 2 or (int(fields["intent_code"]) == _VECTOR and count == 5 and sizes[2] == 1)
    return tuple(sizes[: 2 if flat else 3]), math.prod(sizes[3:])


def _require_few(path: Path, sizes: Sequence[int]) -> None:
    if len(sizes) < 2 or sum(size > 1 for size in sizes[3:]) > 1:
        got = f"{len(sizes)} axes of {' x '.join(map(str, sizes))} voxels"
        raise unreadable(path, got, f"Save {_AXES} last")


def _type(path: Path, fields: Any) -> tuple[np.dtype[Any], int]:
    """The stored type, and how many of it make one voxel's colour."""
    code, bits = int(fields["datatype"]), int(fields["bitpix"])
    colours = _COLOURS.get(code, 1)
    if code not in _NUMBERS and colours == 1:
        got = _OTHERS.get(code, f"voxels of an unknown type ({code})")
        raise unreadable(path, got, "Save real numbers, for instance the magnitude of a complex image")
    stored = np.dtype(_NUMBERS.get(code, "u1")).newbyteorder(fields.endianness)
    if bits != stored.itemsize * 8 * colours:
        raise unreadable(path, f"voxels of type {stored.name} in {bits} bits each", _REMEDY)
    return stored, colours


def _scaling(path: Path, fields: Any) -> tuple[float, float]:
    """Slope and intercept. A slope of 0, or none, means that values are stored as they are."""
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    if slope == 0 or math.isnan(slope) or int(fields["datatype"]) in _COLOURS:
        return 1.0, 0.0
    if not (math.isfinite(slope) and math.isfinite(inter)):
        raise unreadable(path, f"values scaled by {slope:g} and {inter:g}", "Save it with scl_slope 1 and scl_inter 0")
    return slope, inter


def _read(source: Source, stream: BinaryIO, layout: _Layout) -> np.ndarray:
    """The stored values in one row."""
    path, present = source.path, source.place.stat().st_size
    if not _is_compressed(source):
        _require_length(path, present, layout.start + layout.size)
    elif present * MOST_COMPRESSED < layout.start + layout.size:
        raise unreadable(path, f"{present:,} bytes, which cannot unpack to {layout.start + layout.size:,}", _REMEDY)
    stream.seek(layout.start)
    raw = np.empty(layout.size, dtype=np.uint8)
    filled = 0
    while filled < layout.size:
        block = stream.read(min(_BLOCK, layout.size - filled))
        if not block:
            _require_length(path, layout.start + filled, layout.start + layout.size)
        raw[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    while stream.read(_BLOCK):  # a compressed file's checksum stands at its end
        pass
    values = raw.view(layout.stored)
    _require_numbers(path, values)
    return values


def _require_numbers(path: Path, values: np.ndarray) -> None:
    if values.dtype.kind != "f":
        return
    parts = (values[start : start + _BLOCK] for start in range(0, values.size, _BLOCK))
    broken = sum(int(part.size - np.count_nonzero(np.isfinite(part))) for part in parts)
    if broken:
        got = "1 voxel is NaN or infinite" if broken == 1 else f"{broken:,} voxels are NaN or infinite"
        remedy = "Replace them, for instance by 0 where they lie outside the body"
        raise InputError.one("the image has values that are not numbers", where=str(path), got=got, remedy=remedy)


def _require_length(path: Path, present: int, announced: int) -> None:
    if present < announced:
        raise unreadable(path, f"a file cut short: {present:,} of {announced:,} bytes", _REMEDY)


def _scaled(layout: _Layout, raw: np.ndarray) -> np.ndarray:
    if not layout.scaled:
        return raw
    values = np.empty(raw.size, dtype=layout.kind)
    with np.errstate(over="ignore"):
        for start in range(0, raw.size, _BLOCK):
            part = slice(start, start + _BLOCK)
            values[part] = raw[part] * np.float64(layout.slope) + layout.inter
    return values


def _channels_first(layout: _Layout, values: np.ndarray) -> np.ndarray:
    """A view of shape (channels, x, y, z), or (channels, row, column)."""
    if layout.colour:
        array = np.moveaxis(values.reshape(*layout.shape[::-1], layout.channels), -1, 0)
    else:
        array = values.reshape(layout.channels, *layout.shape[::-1])
    return array.transpose(0, 3, 2, 1) if len(layout.shape) == 3 else array
