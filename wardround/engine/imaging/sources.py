"""Where a file's bytes are read: where it lies, or from a copy in memory that was made while its digest was taken.

Archives of hospitals are network drives. A new file is named by its bytes, checked to its last byte, and decoded. With
a copy in memory it crosses the network once for all three, and what is decoded is what was named.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.places import files_at

_BLOCK = 1 << 20


class Source:
    """A file that is read where it lies; or a folder whose files are one image."""

    def __init__(self, path: Path) -> None:
        """`path` names the file in messages, and its suffix tells the format."""
        self.path = path

    @property
    def place(self) -> Path:
        """What is to be opened."""
        return self.path

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that are there: one, or all of a folder and below it. Raises `OSError`."""
        return files_at(self.path)

    def open(self, file: Path) -> BinaryIO:
        """One of `files`, to be read. Raises `OSError`."""
        return file.open("rb")

    def release(self) -> None:
        """Say that no byte is needed any more."""


class HeldSource(Source):
    """A file that has been read into memory, once; `digest` is the SHA-256 of the bytes that are held.

    The copy has no name on any disk, and is gone with the process. Use it as a context, or `release` it.
    """

    def __init__(self, path: Path) -> None:
        """Raises `OSError` where the file cannot be read."""
        super().__init__(path)
        self._copy = os.fdopen(os.memfd_create("image"), "w+b", buffering=0)
        try:
            self.digest = _copied(path, self._copy)
        except BaseException:
            self._copy.close()
            raise

    @property
    def place(self) -> Path:
        """The copy."""
        return Path(f"/proc/self/fd/{self._copy.fileno()}")

    def open(self, file: Path) -> BinaryIO:
        """The copy, to be read."""
        return self.place.open("rb")

    def release(self) -> None:
        """Give the memory back."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class HeldFolder(Source):
    """Files of a folder that have been read into memory, once; `digest` names the bytes of all of them, in any order.

    They lie behind each other in one copy, for a series has more files than a process may have open.
    """

    def __init__(self, path: Path, files: Iterable[Path]) -> None:
        """`files` are those that make the image. Raises `OSError` where one cannot be read."""
        super().__init__(path)
        self._copy = os.fdopen(os.memfd_create("images"), "w+b", buffering=0)
        self._spans: dict[Path, tuple[int, int]] = {}
        try:
            self.digest = digest_of_files(self._hold(file) for file in files)
        except BaseException:
            self._copy.close()
            raise

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are held."""
        return tuple(self._spans)

    def open(self, file: Path) -> BinaryIO:
        """The copy of a file, to be read."""
        return cast(BinaryIO, io.BufferedReader(_Span(self._copy.fileno(), *self._spans[file])))

    def release(self) -> None:
        """Give the memory back."""
        self._copy.close()

    def _hold(self, file: Path) -> str:
        start = self._copy.tell()
        digest = _copied(file, self._copy)
        self._spans[file] = (start, self._copy.tell())
        return digest


class _Span(io.RawIOBase):
    """Bytes from one place of a file to another, as a file of their own."""

    def __init__(self, descriptor: int, start: int, stop: int) -> None:
        self._descriptor, self._start, self._length, self._at = descriptor, start, stop - start, 0
        self.name = "a copy in memory"

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._length - self._at))
        block = os.pread(self._descriptor, wanted, self._start + self._at)
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def digest_of_files(digests: Iterable[str]) -> str:
    """SHA-256 that names several files by theirs: what they are called, and in which order they come, plays no part."""
    return sha256_hex(canonical_json([*sorted(digests)]))


def _copied(path: Path, copy: io.FileIO | BinaryIO) -> str:
    """Write a file's bytes behind those of a copy. Gives their SHA-256; raises `OSError`."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()
