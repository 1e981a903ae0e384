"""The bytes of voxels behind a header: as many as it announces, and packed as it says."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wardround.engine.basics.problems import InputError

_BLOCK = 1 << 20
MOST_COMPRESSED = 1100
"""No gzip or zlib stream unpacks to more than about 1,032 times its size."""
_AGAIN = "Copy or export it again"


class Packing(Enum):
    """How voxels are packed. The values are what zlib calls the kinds of streams that are taken."""

    NONE = 0
    GZIP = 31
    EITHER = 47
    """A stream of zlib or of gzip."""


@dataclass(frozen=True)
class Payload:
    """What a header announces of its voxels.

    Attributes:
        start: their first byte.
        sizes: of the axes as they are stored, the one that varies fastest first.
        stored: numpy's type, with its byte order.
        packing: how they are packed.
        size_entry: the header's entry that tells the sizes.
        packing_entry: the one that tells the packing.
        plain: what is to be written there for voxels that are not packed.
        packed: what is to be written there for voxels that are.
    """

    start: int
    sizes: tuple[int, ...]
    stored: np.dtype[Any]
    packing: Packing
    size_entry: str
    packing_entry: str
    plain: str
    packed: str

    @property
    def size(self) -> int:
        """Bytes of all voxels, unpacked."""
        return math.prod(self.sizes) * self.stored.itemsize

    @property
    def words(self) -> str:
        """What is announced, in words."""
        return f"{self.size:,} bytes, for {' x '.join(map(str, self.sizes))} values of type {self.stored.name}"


def require_plausible(path: Path, stream: BinaryIO, payload: Payload) -> None:
    """Raise `InputError` where a file's length or the first of its bytes show that a header is wrong."""
    present = stream.seek(0, 2) - payload.start
    stream.seek(payload.start)
    start = stream.read(1 << 16)
    if payload.packing is Packing.NONE:
        if present != payload.size:
            raise _other_length(path, present, start, payload)
    elif not _opens(start, payload.packing):
        raise _not_packed(path, present, payload)
    elif present * MOST_COMPRESSED < payload.size:
        raise _wrong(path, payload.size_entry, f"{present:,} bytes, which cannot unpack to so much", payload.words)


def unpacked(path: Path, stream: BinaryIO, payload: Payload) -> np.ndarray:
    """The bytes of all voxels. Raises `InputError` where they are not what the header announces."""
    require_plausible(path, stream, payload)
    stream.seek(payload.start)
    raw = np.empty(payload.size, dtype=np.uint8)
    filled = 0
    try:
        for block in _blocks(stream, payload.packing):
            if filled + len(block) > payload.size:
                raise _wrong(path, payload.size_entry, f"more than {payload.size:,} bytes of voxels", payload.words)
            raw[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
            filled += len(block)
    except zlib.error as error:
        raise _wrong(path, payload.packing_entry, f"packed voxels that are damaged ({error})") from None
    if filled < payload.size:
        raise _wrong(path, payload.size_entry, f"a file cut short: {filled:,} bytes of voxels", payload.words)
    return raw


def _blocks(stream: BinaryIO, packing: Packing) -> Iterator[bytes]:
    if packing is not Packing.NONE:
        yield from _inflated(stream, packing)
        return
    while block := stream.read(_BLOCK):
        yield block


def _inflated(stream: BinaryIO, packing: Packing) -> Iterator[bytes]:
    """Unpacked blocks of one stream, or of several behind each other. Raises `zlib.error`."""
    rest = stream.read(_BLOCK)
    while rest:
        engine = zlib.decompressobj(packing.value)
        while not engine.eof:
            if block := engine.decompress(rest, _BLOCK):
                yield block
            rest = engine.unconsumed_tail or (b"" if engine.eof else stream.read(_BLOCK))
            if not (rest or block or engine.eof):
                raise zlib.error("the stream ends too early")
        rest = engine.unused_data or stream.read(_BLOCK)


def _opens(start: bytes, packing: Packing) -> bool:
    """Whether bytes are the beginning of a packed stream."""
    try:
        return bool(zlib.decompressobj(packing.value).decompress(start, 1))
    except zlib.error:
        return False


def _not_packed(path: Path, present: int, payload: Payload) -> InputError:
    got = f"{payload.packed}, but the voxels are not packed so"
    if present != payload.size:
        return _wrong(path, payload.packing_entry, got, "voxels packed as the header says")
    got += f": the file holds as many bytes as they take unpacked, {present:,}"
    return _wrong(path, payload.packing_entry, got, payload.plain, "Export it again, or correct this entry")


def _other_length(path: Path, present: int, start: bytes, payload: Payload) -> InputError:
    if _opens(start, Packing.EITHER):
        got = f"{payload.plain}, but the voxels are packed: {present:,} bytes that begin as a packed stream does"
        return _wrong(path, payload.packing_entry, got, payload.packed, "Export it again, or correct this entry")
    if present < payload.size:
        return _wrong(path, payload.size_entry, f"a file cut short: {present:,} bytes of voxels", payload.words)
    first = start.split(b"\n", 1)[0]
    if first.isascii() and (b"=" in first or b": " in first):
        got = f"text behind the header's last entry: {first[:60].decode('ascii')!r}"
        remedy = "Move this entry before the last one (in a MetaImage that is ElementDataFile)"
        return _wrong(path, payload.size_entry, got, payload.words, remedy)
    got = f"{present:,} bytes of voxels, {present - payload.size:,} too many"
    return _wrong(path, payload.size_entry, got, payload.words, "Is the type or a size wrong? Export it again")


def _wrong(path: Path, entry: str, got: str, expected: str = "", remedy: str = _AGAIN) -> InputError:
    return InputError.one(
        "the voxels are not what the header says", where=f"{path}, {entry}", got=got, expected=expected, remedy=remedy
    )
