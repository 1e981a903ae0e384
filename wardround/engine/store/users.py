"""Which processes use which stored cases, so that nobody prunes what another one needs.

Every user of a store keeps a list of the keys that it has opened, and holds the list's lock for as long as it lives:
the system lets go of the lock when the process dies, however it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from wardround.engine.basics.files import private_folder


class Users:
    """The users of one store; this object is one of them once it has opened a case."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file: IO[str] | None = None
        self._known: set[str] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def opening(self, key: str) -> Iterator[None]:
        """While the block looks for an entry nobody prunes; from now on the entry is in use."""
        with self._gate(fcntl.LOCK_SH):
            self._note(key)
            yield

    def release(self, keys: Iterable[str]) -> None:
        """Some entries are not in use by this user any more."""
        with self._gate(fcntl.LOCK_SH), self._lock:
            self._known.difference_update(keys)
            if self._file is not None:
                self._file.seek(0)
                self._file.truncate()
                self._file.writelines(f"{key}\n" for key in sorted(self._known))
                self._file.flush()

    @contextlib.contextmanager
    def pruning(self) -> Iterator[frozenset[str]]:
        """Yield the keys that are in use by anybody; none is added while the block runs."""
        with self._gate(fcntl.LOCK_EX):
            yield frozenset(key for path in self._root.glob("users/*.keys") for key in _keys(path))

    @contextlib.contextmanager
    def _gate(self, mode: int) -> Iterator[None]:
        locks = self._root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / "users").open("wb") as file:
            fcntl.flock(file, mode)
            yield

    def _note(self, key: str) -> None:
        with self._lock:
            if key in self._known:
                return
            if self._file is None:
                self._file = self._sign_in()
            self._known.add(key)
            self._file.write(key + "\n")
            self._file.flush()

    def _sign_in(self) -> IO[str]:
        path = private_folder(self._root / "users") / f"{os.getpid()}-{secrets.token_hex(4)}.keys"
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        weakref.finalize(self, _sign_out, file, path)
        return file


def _sign_out(file: IO[str], path: Path) -> None:
    path.unlink(missing_ok=True)
    file.close()


def _keys(path: Path) -> tuple[str, ...]:
    """The keys on a list; none, and no list any more, if its user has died."""
    try:
        with path.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return tuple(file.read().split())
            path.unlink(missing_ok=True)
            return ()
    except FileNotFoundError:
        return ()
