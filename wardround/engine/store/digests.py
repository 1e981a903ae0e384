"""SHA-256 of source files, remembered by path, state and a sample of their bytes, and of what they hold, in SQLite."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wardround.engine.basics.filemarks import FileState, sampled_digest, state_of
from wardround.engine.basics.places import folder_place
from wardround.engine.cohort import Case, case_digest
from wardround.engine.cohort.twins import Content

_ROWS_AT_ONCE = 200
_TABLES = (
    "files (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER, inode INTEGER, sample TEXT,"
    " digest TEXT)",
    "contents (source TEXT PRIMARY KEY, image TEXT, truth TEXT)",
)
"""A table `sources` is left to release 0.1.0, which made it: it knows neither times of change nor samples."""
_FILE = "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)"
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

    It is a cache: when its file is damaged it starts anew. A file counts as unchanged while its size, both its times,
    its inode and a sample of its bytes are what they were (`basics/filemarks`).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batch: _Batch | None = None

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Read the whole index at once, and write what is new a few hundred rows at a time, while the block runs: a
        cohort of a thousand cases opens in one go."""
        self._batch = _Batch(
            {str(row[0]): _File.of(row[1:]) for row in self._all("SELECT * FROM files")},
            {str(row[0]): Content(str(row[1]), str(row[2])) for row in self._all("SELECT * FROM contents")},
        )
        try:
            yield
        finally:
            batch, self._batch = self._batch, None
            self._write(batch.take(1))

    def case_digest(self, case: Case) -> str | None:
        """The case's digest; None where a file of it is new or has changed, and would have to be read."""
        known = {path: self._known(path, self._state(path)) for path in case.files}
        return case_digest(case, lambda path: known[path] or "") if all(known.values()) else None

    def file_digest(self, path: Path, read: Callable[[Path], str]) -> str:
        """SHA-256 of a file's bytes, as `read` gives it, which is asked only for a file that is new or has changed."""
        state = self._state(path)
        known = self._known(path, state)
        if known is not None:
            return known
        sample = self._sample(path)
        digest = read(path)
        if state.is_settled(time.time()):
            self._note(_FILE, (str(path), *state, sample, digest))
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

    def _known(self, path: Path, state: FileState) -> str | None:
        known = self._find(path)
        if known is None or known.state != state or known.sample != self._sample(path):
            return None
        return known.digest

    def _state(self, path: Path) -> FileState:
        return state_of(path) if self._batch is None else self._batch.state(path)

    def _sample(self, path: Path) -> str:
        return sampled_digest(path) if self._batch is None else self._batch.sample(path)

    def _find(self, path: Path) -> _File | None:
        if self._batch is not None:
            return self._batch.files.get(str(path))
        rows = self._all("SELECT * FROM files WHERE path = ?", (str(path),))
        return _File.of(rows[0][1:]) if rows else None

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


class _File(NamedTuple):
    """What the index holds of a file."""

    state: FileState
    sample: str
    digest: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> _File:
        """From a row without its path."""
        return cls(FileState(*row[:4]), str(row[4]), str(row[5]))


class _Batch:
    """The index in memory, and the rows that are not written yet.

    A folder is looked at once: it may hold the series of many cases, and all of its files tell whether it has changed.
    What changes meanwhile has another state than was noted, and is read again the next time.
    """

    def __init__(self, files: dict[str, _File], contents: dict[str, Content]) -> None:
        self.files, self.contents = files, contents
        self._rows: list[tuple[str, Values]] = []
        self._states: dict[Path, FileState] = {}
        self._samples: dict[Path, str] = {}
        self._lock = threading.Lock()

    def state(self, path: Path) -> FileState:
        """`state_of` a file or a folder."""
        place = folder_place(path)
        if place is None:
            return state_of(path)
        return self._states.get(place.folder) or self._states.setdefault(place.folder, state_of(place.folder))

    def sample(self, path: Path) -> str:
        """`sampled_digest` of a file or a folder."""
        place = folder_place(path)
        if place is None:
            return sampled_digest(path)
        return self._samples.get(place.folder) or self._samples.setdefault(place.folder, sampled_digest(place.folder))

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
