"""Pieces of a payload that have arrived, on disk by their SHA-256: what came before a cut is not sent again.

Nothing here is precious. A piece that is missing, damaged or has no room is sent once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wardround.federation.envelope import Payload
from wardround.federation.payload import MAX_PAYLOAD_BYTES

KEPT_SECONDS = 7 * 86_400.0
"""Pieces that nobody has asked for in a week belong to a transfer that will not be finished."""

_PRIVATE = 0o700
_WORTH_MAPPING = 1024 * 1024
_MARGIN = 64 * 1024 * 1024


@dataclass
class Shelf:
    """A folder of pieces, for one process at a time.

    Attributes:
        folder: made when the first piece comes, for its user alone.
        budget: most bytes that it may hold.
    """

    folder: Path
    budget: int = MAX_PAYLOAD_BYTES
    _held: int | None = None

    def adopt(self, names: Collection[str]) -> set[str]:
        """Which of the named pieces are here and sound. All others are of another payload, or damaged: they go."""
        wanted, kept = set(names), set()
        for path in self._files():
            if path.name in wanted and _is_sound(path):
                kept.add(path.name)
            else:
                path.unlink(missing_ok=True)
        self._held = None
        return kept

    def put(self, name: str, piece: bytes) -> bool:
        """Keep a piece whose name was checked against its bytes. False when there is no room for it."""
        if self._held is None:
            self._held = self.held()
        if self._held + len(piece) > self.budget:
            return False
        temporary = self.folder / f"{name}.part"
        try:
            self.folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            temporary.write_bytes(piece)  # not fsynced: a piece is checked against its name before it is used again
            temporary.replace(self.folder / name)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            return False
        self._held += len(piece)
        return True

    def read(self, name: str) -> bytes | None:
        """A piece as it was put, or None when it is not here."""
        try:
            return (self.folder / name).read_bytes()
        except OSError:
            return None

    def assemble(self, bodies: Iterable[bytes]) -> Payload:
        """Put pieces together: in memory while they are few, then in a file without a name that goes with its last use.

        Raises:
            OSError: the disk is full.
        """
        coming, begun = iter(bodies), bytearray()
        for body in coming:
            begun += body
            if len(begun) > _WORTH_MAPPING:
                return self._mapped(itertools.chain([begun], coming))
        return bytes(begun)

    def has_room_to_assemble(self) -> bool:
        """Whether the disk has room for all pieces once more."""
        return not self.folder.exists() or shutil.disk_usage(self.folder).free > self.held() + _MARGIN

    def held(self) -> int:
        """Bytes of the pieces that are here."""
        return sum(path.stat().st_size for path in self._files())

    def clear(self) -> None:
        """Forget all pieces."""
        self._held = None
        if self.folder.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def expire(self) -> None:
        """Forget pieces of a transfer that was given up a week ago."""
        paths = list(self._files())
        if paths and max(path.stat().st_mtime for path in paths) < time.time() - KEPT_SECONDS:
            self.clear()

    def _mapped(self, bodies: Iterable[bytes | bytearray]) -> memoryview:
        self.folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as handle:
            for body in bodies:
                handle.write(body)
            handle.flush()
            return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))

    def _files(self) -> Iterator[Path]:
        """Everything in the folder: whole pieces, and what a killed process left half-written."""
        if self.folder.exists():
            yield from (self.folder / name for name in os.listdir(self.folder))


class Shelves:
    """A shelf for each of the sites that send something here.

    Args:
        root: the folder of all of them; None for one that lasts as long as the process.
        budget: most bytes on each.
    """

    def __init__(self, root: Path | None, budget: int) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="wardround-arriving-") if root is None else None
        self._root = Path(self._temporary.name) if self._temporary is not None else root or Path()
        self._budget = budget

    def of(self, sender: str) -> Shelf:
        """The shelf of one sender."""
        shelf = Shelf(self._root / sender, self._budget)
        shelf.expire()
        return shelf


def _is_sound(path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    except OSError:
        return False
