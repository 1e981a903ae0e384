"""Lines that are only ever added, each with the digest of itself and of all before it, kept in two files.

A damaged file is made again from the other one. A line that a crash cut off was never said to be written, and goes.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.files import DamagedError, discard, fsync_folder, read_whole, write_atomic


@dataclass(frozen=True)
class _Found:
    """What one of the two files holds: its sound lines from the start, and whether something else follows them."""

    lines: tuple[bytes, ...]
    chain: str
    is_whole: bool
    is_damaged: bool


class ChainedLog:
    """The lines of `path` and of its copy beside it. One process writes."""

    def __init__(self, path: Path) -> None:
        self._files = (path, path.with_name(f"{path.stem}.copy{path.suffix}"))
        self._chain = ""

    @property
    def path(self) -> Path:
        """The first of the two files."""
        return self._files[0]

    def state(self) -> tuple[tuple[int, int], ...]:
        """Changes when the files do."""
        found = [file.stat() if file.exists() else None for file in self._files]
        return tuple((one.st_size, one.st_mtime_ns) if one is not None else (0, 0) for one in found)

    def read(self) -> tuple[tuple[JsonValue, ...], tuple[Path, ...]]:
        """What was written, oldest first, and the files that had to be made again.

        Raises:
            DamagedError: neither of the two files can be read to its end.
        """
        found = [_look(file) for file in self._files]
        best = max(found, key=lambda one: len(one.lines))
        if best.is_damaged:
            raise DamagedError(self.path)
        mended = tuple(
            file
            for file, one in zip(self._files, found, strict=True)
            if best.lines and (not one.is_whole or len(one.lines) < len(best.lines))
        )
        for file in mended:
            if file.is_dir():
                discard(file)
            write_atomic(file, b"".join(line + b"\n" for line in best.lines))
        self._chain = best.chain
        return tuple(json.loads(line)["entry"] for line in best.lines), mended

    def peek(self) -> tuple[JsonValue, ...]:
        """What was written, for a process that does not write: nothing is mended, and what cannot be read is left."""
        best = max((_look(file) for file in self._files), key=lambda one: len(one.lines))
        return tuple(json.loads(line)["entry"] for line in best.lines)

    def append(self, entry: JsonValue) -> None:
        """Add one entry durably, to both files. Call `read` first, once per process. Raises OSError."""
        chain = _chain(self._chain, entry)
        for file in self._files:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as handle:
                handle.write(canonical_json({"chain": chain, "entry": entry}) + b"\n")
                handle.flush()
                os.fsync(handle.fileno())
        fsync_folder(self.path.parent)
        self._chain = chain


def _look(file: Path) -> _Found:
    try:
        *lines, tail = (read_whole(file) if file.exists() else b"").split(b"\n")
    except DamagedError:
        return _Found((), "", is_whole=False, is_damaged=True)
    sound: list[bytes] = []
    chain = ""
    for line in lines:
        following = _follows(chain, line)
        if following is None:
            break
        sound.append(line)
        chain = following
    is_damaged = len(sound) < len(lines)
    return _Found(tuple(sound), chain, file.exists() and not tail and not is_damaged, is_damaged)


def _follows(chain: str, line: bytes) -> str | None:
    """The chain up to a line, or None where the line is not the one that was written."""
    try:
        content = json.loads(line)
        stated, expected = content["chain"], _chain(chain, content["entry"])
        written = canonical_json({"chain": expected, "entry": content["entry"]})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return expected if stated == expected and written == line else None


def _chain(before: str, entry: JsonValue) -> str:
    return sha256_hex(before.encode() + canonical_json(entry))
