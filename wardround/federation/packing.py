"""A payload written part by part, so that a model is not held a second time while it is packed.

The bytes are those of `payload.pack`, which are those of the safetensors library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from wardround.engine.basics.canonical import sha256_of
from wardround.engine.basics.files import replacing
from wardround.federation.envelope import Payload
from wardround.federation.payload import check_packable

_ALIGNMENT = 8
_LENGTH_BYTES = 8
_KINDS = {"float32": "F32", "float16": "F16", "int64": "I64", "uint8": "U8"}
_ORDER = ("int64", "float32", "float16", "uint8")
"""The library lays tensors out by type, the widest alignment first, then by name."""


def packed_parts(arrays: Mapping[str, np.ndarray]) -> Iterator[Payload]:
    """The parts of the payload, one after the other: its header, then each tensor, none of which is copied.

    Raises:
        PayloadError: (at once) as `payload.pack`.
    """
    check_packable(arrays)
    names = sorted(arrays, key=lambda name: (_ORDER.index(arrays[name].dtype.name), name))
    yield _header(arrays, names)
    for name in names:
        yield np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data


def packed_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """What `payload_digest` says of the packed arrays."""
    return sha256_of(packed_parts(arrays))


def packed_size(arrays: Mapping[str, np.ndarray]) -> int:
    """Bytes of the packed arrays."""
    return sum(len(part) for part in packed_parts(arrays))


def write_packed(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write the packed arrays to `path`, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as handle:
        for part in packed_parts(arrays):
            handle.write(part)
        handle.flush()


def _header(arrays: Mapping[str, np.ndarray], names: list[str]) -> bytes:
    entries, reached = {}, 0
    for name in names:
        array = arrays[name]
        place = [reached, reached + array.nbytes]
        entries[name] = {"dtype": _KINDS[array.dtype.name], "shape": list(array.shape), "data_offsets": place}
        reached = place[1]
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text
