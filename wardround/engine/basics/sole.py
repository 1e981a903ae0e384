"""One process at a time in a folder, by a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wardround.engine.basics.problems import InputError

_LOCK = ".lock"


@contextmanager
def sole(folder: Path) -> Iterator[None]:
    """Be the only process that works in a folder, which is made if need be.

    Raises `InputError` with the other's number where there is one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+b") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(folder) from None
        with contextlib.suppress(OSError):  # a full disk is told of where something of weight is written
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n".encode())
            lock.flush()
        yield


def require_idle(folder: Path) -> None:
    """Raise `InputError` if a process works in a folder now; nothing is written."""
    try:
        with (folder / _LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return
    except BlockingIOError:
        raise _taken(folder) from None


def _taken(folder: Path) -> InputError:
    number = (folder / _LOCK).read_text(encoding="ascii", errors="replace").strip()
    return InputError.one(
        "another process works in this folder",
        where=str(folder),
        got=f"process {number or 'unknown'}",
        expected="one at a time",
        remedy="Wait until it has ended, or stop it (Ctrl-C where it runs, or `kill` and its number) and type the same "
        "command again, which goes on; or give this command a folder of its own",
    )
