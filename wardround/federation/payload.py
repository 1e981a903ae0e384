"""Tensors as one byte string (safetensors), read back without trusting the sender.

Names carry their group: `model/<tensor>` for weights, other groups for what a strategy exchanges beside them. Equal
tensors give equal bytes, so the SHA-256 of the bytes names them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from wardround.engine.basics.canonical import sha256_hex
from wardround.federation.envelope import Payload
from wardround.federation.guards import Schema

MAX_PAYLOAD_BYTES = 4 * 2**30
MAX_TENSORS = 16_384
MAX_AXES = 8
_LENGTH_BYTES = 8
_ALIGNMENT = 8
_NAME_BYTES = 32 + 1 + 255
_ENTRY_BYTES = 64 + MAX_AXES * 11 + 2 * 11
"""What an entry takes in a header beside its name: keys, type, axes and offsets, each number below 10 ** 10."""
_METADATA = "__metadata__"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}/[A-Za-z0-9_.\-/]{1,255}")
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}

PACKABLE: tuple[str, ...] = tuple(dtype.name for dtype in _DTYPES.values())
"""The types that tensors may have, by numpy's names."""
Arrays = Mapping[str, np.ndarray]
_Size = Annotated[int, Field(ge=0, le=2**53)]
"""Of a message no size is nearly as large: all tensors must fit into its bytes, which are bounded."""


class PayloadError(ValueError):
    """Bytes that are not a payload. The message is made of fixed words: nothing of the sender's is repeated."""


_SPARE = 64


@dataclass(frozen=True)
class Room:
    """How large a payload may be, known before a byte of it is parsed. The default is what `pack` can write at all."""

    tensors: int = MAX_TENSORS
    header: int = MAX_TENSORS * (_NAME_BYTES + _ENTRY_BYTES)
    data: int = MAX_PAYLOAD_BYTES
    most: int = MAX_PAYLOAD_BYTES

    @classmethod
    def of(cls, schema: Schema) -> Room:
        """For tensors of a schema, and as many again, so that what is not of the schema can be told more exactly."""
        names = sum(len(name) + _ENTRY_BYTES for name in schema.tensors)
        return cls(_SPARE + 2 * len(schema.tensors), _SPARE * _ENTRY_BYTES + 2 * names, _SPARE + 2 * schema.size)

    @property
    def marks(self) -> Mapping[bytes, int]:
        """How often the marks that cost a parser time stand in a header of so many tensors, at most."""
        axes = self.tensors * (MAX_AXES + 4)
        return {b"{": self.tensors + 1, b"[": 2 * self.tensors, b":": 4 * self.tensors, b",": axes}


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    dtype: Literal["F32", "F16", "I64", "U8"]
    shape: list[_Size] = Field(max_length=MAX_AXES)
    data_offsets: list[_Size] = Field(min_length=2, max_length=2)

    @property
    def size(self) -> int:
        """Bytes that the shape needs."""
        return math.prod(self.shape) * _DTYPES[self.dtype].itemsize


_HEADER: TypeAdapter[dict[str, _Entry]] = TypeAdapter(dict[str, _Entry])
_ANY = Room()


def payload_digest(content: Payload) -> str:
    """SHA-256 of packed bytes: what `base` and `update` in a message name."""
    return sha256_hex(content)


def pack(arrays: Arrays) -> bytes:
    """Arrays as bytes; equal arrays give equal bytes, whatever the order of the mapping.

    Raises:
        PayloadError: a name without a group, or a type other than float32, float16, int64 and uint8.
    """
    from safetensors.numpy import save

    check_packable(arrays)
    # An operation on an array without axes gives a numpy scalar, which safetensors does not take; and of an array that
    # does not lie in one piece, such as a transposed one, it writes other numbers without a word.
    content: bytes = save({name: np.asarray(arrays[name], order="C") for name in sorted(arrays)})
    return content


def check_packable(arrays: Arrays) -> None:
    """Raise `PayloadError` where `pack` would."""
    for name, array in arrays.items():
        if not _NAME.fullmatch(name):
            raise PayloadError("a tensor's name is not of the form group/name")
        if array.dtype not in _DTYPES.values():
            raise PayloadError(f"a tensor's type is not one of {', '.join(PACKABLE)}")


def unpack(content: Payload, schema: Schema | None = None) -> dict[str, np.ndarray]:
    """Read-only arrays over `content`, by name in sorted order. Safe on hostile bytes: all is checked before use.

    With the `schema` that the tensors should have, bytes that cannot have it are refused before they are parsed; that
    they do have it is for `guards.check_update` to say.

    Raises:
        PayloadError: size, header, names, types, shapes or offsets are not what `pack` writes.
    """
    return _unpacked(content, Room.of(schema) if schema is not None else _ANY)


def unpack_kept(content: Payload) -> dict[str, np.ndarray]:
    """As `unpack`, of bytes that this machine wrote itself and has held against their digest.

    They may be more than a message can have: the state of a strategy may well be some tensors for each site.

    Raises:
        PayloadError: they are not what `packing.write_packed` writes.
    """
    size = len(content)
    return _unpacked(content, Room(size, size, size, size))


def _unpacked(content: Payload, room: Room) -> dict[str, np.ndarray]:
    header, start = _header(content, room)
    _check_layout(header, len(content) - start)
    return {name: _array(content, start, header[name]) for name in sorted(header)}


def _header(content: Payload, room: Room) -> tuple[dict[str, _Entry], int]:
    most = min(room.most, _LENGTH_BYTES + room.header + room.data)
    if not _LENGTH_BYTES <= len(content) <= most:
        raise PayloadError("the payload's size is out of bounds")
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if length > room.header or start > len(content) or length % _ALIGNMENT:
        raise PayloadError("the payload's header has an impossible length")
    text = bytes(content[_LENGTH_BYTES:start])
    if any(text.count(mark) > most for mark, most in room.marks.items()):
        raise PayloadError("the payload's header is for a larger number of tensors")
    header = _parse(text)
    if not all(_NAME.fullmatch(name) for name in header):
        raise PayloadError("the payload's names cannot be used")
    return header, start


def _parse(text: bytes) -> dict[str, _Entry]:
    try:
        content = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        return _HEADER.validate_python(content)
    except (ValidationError, ValueError, RecursionError):
        raise PayloadError("the payload's header is not one that `pack` writes") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("not a finite number")


def _check_layout(header: Mapping[str, _Entry], available: int) -> None:
    """Each tensor fills its place exactly; places follow one another without gap or overlap, up to the last byte."""
    reached = 0
    for entry in sorted(header.values(), key=lambda entry: tuple(entry.data_offsets)):
        begin, end = entry.data_offsets
        if begin != reached or end - begin != entry.size or begin % _DTYPES[entry.dtype].itemsize:
            raise PayloadError("the payload's tensors overlap, leave gaps or do not fit their shapes")
        reached = end
    if reached != available:
        raise PayloadError("the payload is longer or shorter than its tensors")


def _array(content: Payload, start: int, entry: _Entry) -> np.ndarray:
    count = math.prod(entry.shape)
    flat = np.frombuffer(content, dtype=_DTYPES[entry.dtype], count=count, offset=start + entry.data_offsets[0])
    try:
        return np.reshape(flat, tuple(entry.shape))
    except ValueError:
        raise PayloadError("a tensor's shape cannot be used") from None
