"""What tells, without reading all of it, that a file is still the one that was read: its state and a sample of bytes.

Times alone cannot be trusted: `cp -p`, `rsync --times`, `touch -r` and a restored backup bring an old time back, some
drives keep times in steps of two seconds, and not every file system says when a file's entry was changed.

A folder whose files are one image counts as one file: any of its files that comes, goes or changes makes it another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wardround.engine.basics.places import files_at, folder_place, waits
from wardround.engine.basics.problems import InputError

SAMPLE_BYTES = 16 << 10
"""Of each place that is looked at."""
SAMPLE_PLACES = 4
"""The first bytes, the last, and as many in between, evenly apart: few, since each may cost a turn of a disk."""
SETTLED_SECONDS = 2.0
"""A file that changed more recently could change again within the resolution of its time stamps."""


class FileState(NamedTuple):
    """What the file system says of a file.

    The device is left out: its number is given anew whenever a drive is mounted.

    Attributes:
        size: bytes.
        modified: nanoseconds since 1970; programs can set it.
        changed: likewise, when content, name or rights last changed; only the system sets it, where it keeps it at all.
        inode: the file's number on its drive.
    """

    size: int
    modified: int
    changed: int
    inode: int

    def is_settled(self, now: float) -> bool:
        """Whether a change after `now` (seconds since 1970) is sure to leave other times."""
        return now - max(self.modified, self.changed) / 1e9 > SETTLED_SECONDS


def state_of(path: Path) -> FileState:
    """The state of the file that a path leads to, or of all files of a folder. Raises `OSError`."""
    if folder_place(path) is not None:
        return _state_of_all(files_at(path))
    return _state_of_file(path)


def _state_of_file(path: Path) -> FileState:
    status = path.stat()
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _state_of_all(files: Sequence[Path]) -> FileState:
    """Sizes together, the latest times, and in the inode's place a number that names the state of every file."""
    states = [_state_of_file(file) for file in files]
    named = repr([(str(file), state) for file, state in zip(files, states, strict=True)])
    number = int.from_bytes(hashlib.sha256(named.encode("utf-8", "surrogateescape")).digest()[:8], "big") >> 1
    return FileState(
        size=sum(state.size for state in states),
        modified=max((state.modified for state in states), default=0),
        changed=max((state.changed for state in states), default=0),
        inode=number,
    )


def sampled_digest(path: Path) -> str:
    """SHA-256 of a file's first and last bytes and of two places between them; of all bytes up to 64 kB.

    Where the places lie is a function of the size. The last bytes hold the checksum of a compressed file, so that any
    change within one is seen. Of a folder it is the digest of its files' digests.

    Raises `OSError`, and `InputError` for a pipe or a device in the place of a file.
    """
    if folder_place(path) is not None:
        return hashlib.sha256("".join(map(_sampled, files_at(path))).encode()).hexdigest()
    return _sampled(path)


def _sampled(path: Path) -> str:
    digest = hashlib.sha256()
    if waits(path):
        what, remedy = "a pipe, a socket or a device stands in the place of a file", "Move it away from the images"
        raise InputError.one(what, where=str(path), expected="a file", remedy=remedy)
    with path.open("rb", buffering=0) as file:
        for place in _places(os.fstat(file.fileno()).st_size):
            digest.update(os.pread(file.fileno(), SAMPLE_BYTES, place))
    return digest.hexdigest()


def _places(size: int) -> list[int]:
    last = max(0, size - SAMPLE_BYTES)
    return sorted({last * number // (SAMPLE_PLACES - 1) for number in range(SAMPLE_PLACES)})
