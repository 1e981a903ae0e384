"""SHA-256 of source files, remembered by path, size and time of change, and of what they hold, in one SQLite file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from wardround.engine.basics.canonical import file_sha256
from wardround.engine.cohort import Case, case_digest
from wardround.engine.cohort.twins import Content

_SETTLED_SECONDS = 2.0
"""A file that changed more recently could change again within the resolution of its time stamp."""


class DigestIndex:
    """Digests of files that have not changed since they were last read. Safe for several processes at once.

    It is a cache: when its file is damaged it starts anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def case_digest(self, case: Case) -> str:
        """The case's digest; only files that changed are read."""
        return case_digest(case, self.file_digest)

    def file_digest(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        status = path.stat()
        known = self._find(path, status.st_size, status.st_mtime_ns)
        if known is not None:
            return known
        digest = file_sha256(path)
        if time.time() - status.st_mtime > _SETTLED_SECONDS:
            self._remember(path, status.st_size, status.st_mtime_ns, digest)
        return digest

    def content(self, key: str) -> Content | None:
        """What was found in the files of a case, decoded; None where nobody has noted it."""
        row = self._run("SELECT image, truth FROM contents WHERE source = ?", (key,))
        return None if row is None else Content(*map(str, row))

    def note_content(self, key: str, content: Content) -> None:
        """Remember what was found in the files of a case."""
        self._run("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", (key, content.image, content.truth))

    def _find(self, path: Path, size: int, changed: int) -> str | None:
        query = "SELECT digest FROM files WHERE path = ? AND size = ? AND changed = ?"
        row = self._run(query, (str(path), size, changed))
        return None if row is None else str(row[0])

    def _remember(self, path: Path, size: int, changed: int, digest: str) -> None:
        self._run("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (str(path), size, changed, digest))

    def _run(self, query: str, values: tuple[str | int, ...]) -> tuple[str, ...] | None:
        try:
            return self._execute(query, values)
        except sqlite3.OperationalError:
            raise  # locked for long, or a full disk: the file itself is sound
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._execute(query, values)

    def _execute(self, query: str, values: tuple[str | int, ...]) -> tuple[str, ...] | None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, digest TEXT)"
            )
            connection.execute("CREATE TABLE IF NOT EXISTS contents (source TEXT PRIMARY KEY, image TEXT, truth TEXT)")
            row: tuple[str, ...] | None = connection.execute(query, values).fetchone()
            return row
