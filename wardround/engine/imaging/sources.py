"""Where a file's bytes are read: where it lies, or from a copy in memory that was made while its digest was taken.

Archives of hospitals are network drives. A new file is named by its bytes, checked to its last byte, and decoded. With
a copy in memory it crosses the network once for all three, and what is decoded is what was named.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Self

_BLOCK = 1 << 20


class Source:
    """A file that is read where it lies."""

    def __init__(self, path: Path) -> None:
        """`path` names the file in messages, and its suffix tells the format."""
        self.path = path

    @property
    def place(self) -> Path:
        """What is to be opened."""
        return self.path

    def release(self) -> None:
        """Say that no byte is needed any more."""


class HeldSource(Source):
    """A file that has been read into memory, once; `digest` is the SHA-256 of the bytes that are held.

    The copy has no name on any disk, and is gone with the process. Use it as a context, or `release` it.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the file cannot be read."""
        super().__init__(path)
        digest = hashlib.sha256()
        self._copy = os.fdopen(os.memfd_create("image"), "w+b", buffering=0)
        try:
            with path.open("rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    self._copy.write(block)
        except BaseException:
            self._copy.close()
            raise
        self.digest = digest.hexdigest()

    @property
    def place(self) -> Path:
        """The copy."""
        return Path(f"/proc/self/fd/{self._copy.fileno()}")

    def release(self) -> None:
        """Give the memory back."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()
