"""SHA-256 of source files, remembered by path, size, time and inode, and of what they hold, in one SQLite file."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from wardround.engine.cohort import Case, case_digest
from wardround.engine.cohort.twins import Content

_SETTLED_SECONDS = 2.0
"""A file that changed more recently could change again within the resolution of its time stamp."""


_ROWS_AT_ONCE = 200
_TABLES = (
    "sources (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, inode INTEGER, digest TEXT)",
    "contents (source TEXT PRIMARY KEY, image TEXT, truth TEXT)",
)
_SOURCE = "INSERT OR REPLACE INTO sources VALUES (?, ?, ?, ?, ?)"
_CONTENT = "INSERT OR REPLACE INTO contents VALUES (?, ?, ?)"
Values = tuple[str | int, ...]


_SYSTEM_CODES = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
    sqlite3.SQLITE_LOCKED: errno.EAGAIN,
}


class DigestIndex:
    """Digests of files that have not changed since they were last read. Safe for several processes at once.

    It is a cache: when its file is damaged it starts anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batch: _Batch | None = None

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Read the whole index at once, and write what is new a few hundred rows at a time, while the block runs: a
        cohort of a thousand cases opens in one go."""
        self._batch = _Batch(
            {str(row[0]): (row[1], row[2], row[3], str(row[4])) for row in self._all("SELECT * FROM sources")},
            {str(row[0]): Content(str(row[1]), str(row[2])) for row in self._all("SELECT * FROM contents")},
        )
        try:
            yield
        finally:
            batch, self._batch = self._batch, None
            self._write(batch.take(1))

    def case_digest(self, case: Case) -> str | None:
        """The case's digest; None where a file of it is new or has changed, and would have to be read."""
        known = {path: self._known(path, path.stat()) for path in case.files}
        return case_digest(case, lambda path: known[path] or "") if all(known.values()) else None

    def file_digest(self, path: Path, read: Callable[[Path], str]) -> str:
        """SHA-256 of a file's bytes, as `read` gives it, which is asked only for a file that is new or has changed."""
        status = path.stat()
        known = self._known(path, status)
        if known is not None:
            return known
        digest = read(path)
        if time.time() - status.st_mtime > _SETTLED_SECONDS:
            self._note(_SOURCE, (str(path), status.st_size, status.st_mtime_ns, status.st_ino, digest))
        return digest

    def content(self, key: str) -> Content | None:
        """What was found in the files of a case, decoded; None where nobody has noted it."""
        if self._batch is not None:
            return self._batch.contents.get(key)
        rows = self._all("SELECT image, truth FROM contents WHERE source = ?", (key,))
        return Content(*map(str, rows[0])) if rows else None

    def note_content(self, key: str, content: Content) -> None:
        """Remember what was found in the files of a case."""
        self._note(_CONTENT, (key, content.image, content.truth))

    def _known(self, path: Path, status: os.stat_result) -> str | None:
        return self._find(path, (status.st_size, status.st_mtime_ns, status.st_ino))

    def _find(self, path: Path, state: tuple[int, int, int]) -> str | None:
        if self._batch is not None:
            known = self._batch.sources.get(str(path))
            return known[3] if known is not None and known[:3] == state else None
        query = "SELECT digest FROM sources WHERE path = ? AND size = ? AND changed = ? AND inode = ?"
        rows = self._all(query, (str(path), *state))
        return str(rows[0][0]) if rows else None

    def _note(self, statement: str, values: Values) -> None:
        batch = self._batch
        if batch is None:
            self._write([(statement, values)])
            return
        batch.add(statement, values)
        self._write(batch.take(_ROWS_AT_ONCE))

    def _write(self, rows: Sequence[tuple[str, Values]]) -> None:
        if rows:
            self._sound(lambda connection: [connection.execute(statement, values) for statement, values in rows])

    def _all(self, query: str, values: Values = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._sound(lambda connection: connection.execute(query, values).fetchall())
        return found

    def _sound(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            return self._connected(work)
        except sqlite3.OperationalError as error:  # locked for long, or a full disk: the file itself is sound
            raise _of_the_system(error, self._path) from error
        except sqlite3.DatabaseError:
            self._path.unlink(missing_ok=True)
            return self._connected(work)

    def _connected(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(self._path, timeout=60)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            for table in _TABLES:
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
            return work(connection)


def _of_the_system(error: sqlite3.OperationalError, path: Path) -> OSError:
    """The same as the system would have said it, with the file's name: who tells it need not know of databases."""
    code = _SYSTEM_CODES.get((error.sqlite_errorcode or 0) & 0xFF, errno.EIO)
    return OSError(code, str(error), str(path))


class _Batch:
    """The index in memory, and the rows that are not written yet."""

    def __init__(self, sources: dict[str, tuple[int, int, int, str]], contents: dict[str, Content]) -> None:
        self.sources, self.contents = sources, contents
        self._rows: list[tuple[str, Values]] = []
        self._lock = threading.Lock()

    def add(self, statement: str, values: Values) -> None:
        """Hold a row back."""
        with self._lock:
            self._rows.append((statement, values))
            if statement == _CONTENT:
                self.contents[str(values[0])] = Content(str(values[1]), str(values[2]))

    def take(self, least: int) -> list[tuple[str, Values]]:
        """The rows that were held back, if there are so many."""
        with self._lock:
            if len(self._rows) < least:
                return []
            taken, self._rows = self._rows, []
            return taken
