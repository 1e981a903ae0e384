"""Files that are either whole or absent: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import JsonValue

from wardround.engine.basics.problems import InputError


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
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_atomic(path: Path, content: bytes) -> None:
    """Write `content` to `path` durably; a crash leaves the old file or the new one, never half of either."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_private(path: Path, content: bytes) -> None:
    """Write a secret that only its owner can read (mode 0600, set before the first byte is written)."""
    with replacing(path) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(content)


def append_durably(path: Path, line: str) -> None:
    """Append one line and fsync. What a crash cut off before stays a line of its own, which readers leave out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as handle:
        handle.write((b"" if _ends_with_newline(handle) else b"\n") + line.encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


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


def require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Raise `InputError` unless `folder`'s disk has `needed_bytes` free; call it before anything is written."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    if free < needed_bytes:
        raise InputError.one(
            f"the disk is too full for {purpose}",
            where=str(folder),
            got=f"{free / 1e6:,.0f} MB free",
            expected=f"{needed_bytes / 1e6:,.0f} MB",
            remedy="Free some space or choose another folder",
        )
