"""The files of one case while it joins the store: each is read once, for its digest and for its voxels."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from wardround.engine.cohort import Case, case_digest
from wardround.engine.imaging.holding import hold, read_digest, read_size
from wardround.engine.imaging.sources import HeldFolder, HeldSource, Source
from wardround.engine.store.digests import DigestIndex


class Reading:
    """Names a case by its files' bytes, and keeps those that it had to read in memory until they are decoded.

    Use it as a context; what was not decoded by its end is let go of.
    """

    def __init__(self, index: DigestIndex, most: int) -> None:
        """`most`: bytes of files that may be held. What does not fit is read again when it is decoded."""
        self._index, self._left = index, most
        self._held: dict[Path, HeldSource | HeldFolder] = {}
        self._given: list[HeldSource | HeldFolder] = []

    def digest(self, case: Case) -> str:
        """The case's digest."""
        return case_digest(case, lambda path: self._index.file_digest(path, self._read))

    def take(self, path: Path) -> Source:
        """Where a file is to be read. A copy is given out once, for it is gone when it has been decoded."""
        held = self._held.pop(path, None)
        if held is None:
            return Source(path)
        self._given.append(held)
        return held

    def _read(self, path: Path) -> str:
        if path in self._held:
            return self._held[path].digest
        size = read_size(path)
        if size > self._left:
            return read_digest(path)
        self._left -= size
        self._held[path] = source = hold(path)
        return source.digest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for source in (*self._given, *self._held.values()):
            source.release()
