"""Files that are either whole or absent: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import mmap
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from wardround.engine.basics.faults import FULL
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.sizes import BLOCK_BYTES, on_disk, shown_size

_LOG = logging.getLogger(__name__)
_LEFT_OVER = re.compile(r"\..{0,40}\.[0-9a-f]{12}\.tmp", re.DOTALL)
_DIGEST_LENGTH = 64
_UNREADABLE = frozenset(
    {errno.EIO, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EBADMSG, errno.EUCLEAN, errno.ELOOP}
)
"""What reading says of a bad sector, of a folder in a file's place, of rights that are gone: it does not pass."""


class DiskFullError(InputError):
    """There is no room for what is about to be written."""


class DamagedError(Exception):
    """A file does not hold the bytes that were written to it, or cannot be read; `path` is the file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is damaged: its bytes are not those that were written, or cannot be read")
        self.path = path


def fsync_folder(folder: Path) -> None:
    """Make a rename or an unlink in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_file(path: Path) -> None:
    """Make a file's bytes durable."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`, on failure removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}.tmp")
    temporary.touch(exist_ok=False)  # with the permissions that the user's umask gives to any new file
    try:
        yield temporary
        fsync_file(temporary)
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in FULL and error.filename is None:
            error.filename = str(path)  # a full disk does not say which it is
        raise
    fsync_folder(path.parent)
    _LOG.debug("wrote %s", path)


def write_atomic(path: Path, content: bytes | memoryview) -> None:
    """Write `content` to `path` durably; a crash leaves the old file or the new one, never half of either."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def map_file(path: Path) -> bytes | memoryview:
    """A file's bytes, read by the system as they are used, and the same when the file is replaced or removed.

    Raises:
        OSError: there is no such file.
    """
    with path.open("rb") as handle:
        if os.fstat(handle.fileno()).st_size == 0:
            return b""
        return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))


def write_private(path: Path, content: bytes) -> None:
    """Write a secret that only its owner can read (mode 0600, set before the first byte is written)."""
    with replacing(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(content)


def write_settings(path: Path, content: bytes) -> None:
    """Write a file that anybody may read and only its owner may change (mode 0644, whatever the umask)."""
    with replacing(path) as temporary:
        temporary.chmod(0o644)
        temporary.write_bytes(content)


def write_checked(path: Path, content: bytes) -> None:
    """Write `content` durably behind its SHA-256, for `read_checked`."""
    write_atomic(path, checked(content))


def checked(content: bytes) -> bytes:
    """`content` behind its SHA-256, as `read_checked` expects it in a file."""
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def read_whole(path: Path) -> bytes:
    """The bytes of a file. Raises FileNotFoundError; `DamagedError` where it is there and will never be readable."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        raise DamagedError(path) from error


def is_missing(path: Path) -> bool:
    """Whether nothing is there; False where that cannot be told, as in a folder that may not be looked into."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def discard(path: Path) -> None:
    """Remove a file, or a folder that lies in its place. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def read_checked(path: Path) -> bytes:
    """The content of a file of `write_checked`; of a JSON object that release 0.1.0 wrote without a digest as well.

    Raises:
        DamagedError: the content does not have its digest, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    written = read_whole(path)
    if written[:1] == b"{" and b"\n" not in written:
        return written
    digest, content = written[:_DIGEST_LENGTH], written[_DIGEST_LENGTH + 1 :]
    if hashlib.sha256(content).hexdigest().encode() != digest or written[_DIGEST_LENGTH : _DIGEST_LENGTH + 1] != b"\n":
        raise DamagedError(path)
    return content


def private_folder(path: Path) -> Path:
    """The folder, made if it is absent, and closed to all but its owner (mode 0700), whatever the umask."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        with contextlib.suppress(PermissionError):  # somebody else's folder is not ours to close
            path.chmod(0o700)
    return path


def sweep_left_overs(root: Path, *, older_than: float = 0.0) -> tuple[Path, ...]:
    """Remove the temporary files that killed processes left under `root`; what was removed.

    `older_than` is the age in seconds that marks one as left over. With 0 the caller must hold the lock of everybody
    who writes there; without such a lock an age of a day is safe. Links are not followed.
    """
    removed = []
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if _LEFT_OVER.fullmatch(name) and _age(path) >= older_than:
                path.unlink(missing_ok=True)
                removed.append(path)
    return tuple(removed)


def _age(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.lstat().st_mtime)
    except FileNotFoundError:
        return -1.0


def append_durably(path: Path, line: str) -> None:
    """Append one line and fsync. What a crash cut off before stays a line of its own, which readers leave out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as handle:
        handle.write((b"" if _ends_with_newline(handle) else b"\n") + line.encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


@dataclass(frozen=True)
class Rotation:
    """When a log begins a new file: at `limit` bytes; `kept` full files stay beside it, as `<name>.1` (newest) on."""

    limit: int = 8 * 2**20
    kept: int = 8


def rotate(path: Path, rotation: Rotation) -> None:
    """Set a log aside that is full, so that the next line begins a new file; the oldest set aside is removed.

    For the one process that writes the log. A log that is not full is left alone.
    """
    if path.exists() and path.stat().st_size >= rotation.limit:
        _set_aside(path, rotation.kept)


def _set_aside(path: Path, kept: int) -> None:
    files = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, kept + 1))]
    for older, newer in reversed(list(zip(files[1:], files[:-1], strict=True))):
        if newer.exists():
            newer.replace(older)
    fsync_folder(path.parent)


def rotated_files(path: Path) -> tuple[Path, ...]:
    """The files of a log, oldest first: those set aside, then the one that is written to. Only those that exist."""
    aside = [found for found in path.parent.glob(f"{path.name}.*") if found.suffix[1:].isdecimal()]
    aside.sort(key=lambda found: -int(found.suffix[1:]))
    return (*aside, *([path] if path.exists() else []))


def _ends_with_newline(handle: BinaryIO) -> bool:
    if handle.seek(0, os.SEEK_END) == 0:
        return True
    handle.seek(-1, os.SEEK_END)
    return handle.read(1) == b"\n"


def read_json_lines(path: Path) -> Iterator[dict[str, JsonValue]]:
    """The objects of a file of JSON lines, oldest first; none if it is absent. A line that a crash cut is left out."""
    if not path.exists():
        return
    # Not `splitlines`, which would also part a line at characters that may stand inside a text.
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        with contextlib.suppress(json.JSONDecodeError):
            content = json.loads(line)
            if isinstance(content, dict):
                yield content


def taken_bytes(folder: Path) -> int:
    """What a folder of files takes of a disk, which gives out whole blocks."""
    return BLOCK_BYTES + sum(on_disk(path.stat().st_size) for path in folder.iterdir())


def free_bytes(folder: Path) -> int:
    """What a user may still write to the disk where a folder is, or would be made."""
    status = os.statvfs(_present(folder))
    return status.f_bavail * status.f_frsize


def require_writable(folder: Path, purpose: str) -> None:
    """Raise `InputError` unless this user may write to `folder`, or make it; to be called first."""
    place = _present(folder)
    if not place.is_dir():
        raise InputError.one(
            f"a file stands where the folder of {purpose} should be",
            where=str(place),
            got="a file",
            expected="a folder, or nothing yet",
            remedy="Move it away or choose another folder",
        )
    if not os.access(place, os.W_OK | os.X_OK):
        raise InputError.one(
            f"the folder of {purpose} cannot be written to",
            where=str(place),
            remedy="Have the rights changed or choose another folder",
        )


def _present(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Raise `DiskFullError`, an `InputError`, unless `folder`'s disk has `needed_bytes` free; to be called first."""
    free = free_bytes(folder)
    if free < needed_bytes:
        problem = Problem(
            f"the disk is too full for {purpose}",
            where=str(folder),
            got=f"{shown_size(free)} free",
            expected=shown_size(needed_bytes),
            remedy="Free some space or choose another folder",
        )
        raise DiskFullError([problem])
