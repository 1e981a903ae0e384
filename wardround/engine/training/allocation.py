"""Memory that a training frees is kept for its next step, rather than given back to the system and asked for again.

Each step asks for the same few hundred megabytes. glibc gives large pieces back at once, and the system fills each page
with zeros when it is touched anew: about a tenth of a step on a CPU. Nothing that is computed changes by it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's malloc.h."""
_LARGE = 2**30
_LARGEST = 2**31 - 1
_USUAL = 2**25
"""The most that glibc's own threshold, which follows what is freed, rises to on 64-bit systems."""


@contextmanager
def memory_kept() -> Iterator[None]:
    """While the block runs this process keeps what it frees; afterwards it gives back what it does not use.

    Pieces above 1 GiB are given back at once as ever. Where the C library is not glibc, nothing changes.
    """
    library = _glibc()
    if library is None:
        yield
        return
    try:
        _set_thresholds(library, _LARGE, _LARGEST)
        yield
    finally:
        _set_thresholds(library, _USUAL, 2 * _USUAL)
        library.malloc_trim(0)


def _set_thresholds(library: Any, pieces: int, top: int) -> None:
    library.mallopt(_MMAP_THRESHOLD, pieces)
    library.mallopt(_TRIM_THRESHOLD, top)


@cache
def _glibc() -> Any:
    """The C library of this process, if it is one whose allocator can be told so."""
    try:
        library: Any = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
    except (OSError, TypeError):  # there is no such thing as the process itself on Windows
        return None
