"""Arrays of `.npy` files mapped into memory without keeping the files open.

numpy's own memory maps hold a file descriptor each, of which a process has about a thousand; a cohort of X-rays needs
more. torch's map closes the file once it is mapped.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import torch


class BrokenArrayError(Exception):
    """A file that is not the array that it should be: cut short, damaged, or of another shape or type."""


def write_array(path: Path, array: np.ndarray) -> str:
    """Write an array in C order durably; the SHA-256 of the file. Unlike numpy's own writer it raises a full disk as
    what it is."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    digest = hashlib.sha256(header.getvalue())
    with path.open("wb") as file:
        file.write(header.getvalue())
        file.write(array.data)
        digest.update(array.data)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def map_array(path: Path, shape: tuple[int, ...], kind: str) -> np.ndarray:
    """A read-only map of an array in C order. Raises `BrokenArrayError` unless it has this shape, type and size."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            found = np.lib.format.read_array_header_1_0(file)
            offset = file.tell()
    except (OSError, ValueError) as error:
        raise BrokenArrayError(f"{path.name}: {error}") from error
    dtype = np.dtype(kind)
    expected = offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if found != (shape, False, dtype) or size != expected:
        raise BrokenArrayError(f"{path.name}: {found}, {size} bytes instead of {shape} {kind}, {expected} bytes")
    if size == offset:
        return np.empty(shape, dtype)
    mapped = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    array = mapped.numpy()[offset:].view(dtype).reshape(shape)
    array.flags.writeable = False
    return array
