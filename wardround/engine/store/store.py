"""The store: every case is preprocessed once, under a key made of its content and its preprocessing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wardround.engine.basics.files import DiskFullError, fsync_folder, require_space, taken_bytes
from wardround.engine.basics.memory import MemoryBudget, builders_memory
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cohort import Case, twins
from wardround.engine.inspection.room import MARGIN, RAISE_LIMIT, building_bytes, room_for
from wardround.engine.preprocessing import Pipeline
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.store.case import StoredCase
from wardround.engine.store.digests import DigestIndex
from wardround.engine.store.entries import (
    DESCRIPTION,
    Content,
    Description,
    check_entry,
    read_description,
    write_entry,
)
from wardround.engine.store.mapped import MappedCase
from wardround.engine.store.mapping import BrokenArrayError
from wardround.engine.store.preparing import content_key, content_of, of_table, prepare, sample_of, storage_key
from wardround.engine.store.reading import Reading
from wardround.engine.store.shelf import SHELF
from wardround.engine.store.users import Users
from wardround.engine.study import Study

_LOG = logging.getLogger(__name__)
_BUILDERS = 4
"""Cases that are read, preprocessed and written at once, as far as their memory allows: most of the time goes into
waiting for the disk."""
_HELD_SHARE = 0.5
"""Of the memory that building a case takes, what its files may take until they are decoded: six bytes a voxel and
channel, enough for uncompressed single precision and a mask. No step of the preprocessing has begun by then."""
_FILLED = 7 / 8
"""Of a store's limit, what is left filled when room is made for a case, unless more is in use."""


class StoreFullError(DiskFullError):
    """The disk filled up while a case was being stored; what was half written is gone."""


@dataclass(frozen=True)
class StoreEntry:
    """One stored case, as `list` shows it.

    Attributes:
        key: names the folder.
        digest: the case's source bytes; empty for an entry that cannot be read or that release 0.1.0 wrote.
        study: name of the study that first stored it; others with equal preprocessing share it.
        bytes: room on disk.
        used: seconds since 1970 when it was last opened.
    """

    key: str
    digest: str
    study: str
    bytes: int
    used: float


class CaseStore:
    """Preprocessed cases under one folder. Any number of processes may use it at once.

    A case is built in a folder of its own that is renamed when it is whole, under a lock that the system releases when
    its holder dies; whoever takes the lock next removes what was left.
    """

    def __init__(self, root: Path, memory: int | None = None, limit: int | None = None) -> None:
        """`memory`: bytes that building cases may take; half of what is available by default. `limit`: bytes on disk
        that all cases may take, by default as much as there is; what was used longest ago makes room."""
        self._root = root
        self._index = DigestIndex(root / "digests.sqlite")
        self._memory = MemoryBudget(builders_memory() if memory is None else memory)
        self._users = Users(root)
        self._limit = limit
        self._bytes: int | None = None
        self._joining: dict[str, int] = {}
        self._room = threading.Lock()
        self._swept = False

    @property
    def root(self) -> Path:
        """The folder that it lies in."""
        return self._root

    def open_case(self, study: Study, case: Case, state: FittedState = EMPTY) -> StoredCase:
        """The preprocessed case; built first if it is not there or not whole. Its arrays are mapped when they are used.

        `state` is what the study's fitted steps have learned. A file that is new is read once. Raises `InputError` that
        names the case for sources that cannot be used, and for a disk or a store without room.
        """
        return self._open(Pipeline(study, state), case)

    def _open(self, pipeline: Pipeline, case: Case) -> StoredCase:
        if not pipeline.study.inputs:
            return of_table(pipeline, case)
        digest = self._index.case_digest(case)
        return (digest and self._find(pipeline, case, digest)) or self._join(pipeline, case)

    def _find(self, pipeline: Pipeline, case: Case, digest: str) -> StoredCase | None:
        """The case as it is stored; None where it is not, or where nobody has noted what its files hold."""
        key = storage_key(pipeline, digest)
        with self._users.opening(key):
            description = read_description(self._folder(key))
        content = self._index.content(content_key(pipeline.study, digest))
        if description is None or content is None:
            return None
        return self._opened(pipeline, case, key, description, content)

    def _opened(
        self, pipeline: Pipeline, case: Case, key: str, description: Description, content: twins.Content
    ) -> StoredCase:
        folder = self._folder(key)
        with contextlib.suppress(FileNotFoundError):  # damaged or gone in the meantime: made again when it is used
            os.utime(folder / DESCRIPTION)
        SHELF.forget(folder)
        return MappedCase(
            folder, description, partial(self._heal, pipeline, case, key, description.digest), content=content
        )

    def _join(self, pipeline: Pipeline, case: Case) -> StoredCase:
        """Read the case's files, and build it unless it turns out to be there."""
        with self._read(pipeline.study, case) as reading:
            digest = reading.digest(case)
            return self._find(pipeline, case, digest) or self._build(pipeline, case, digest, reading)

    @contextlib.contextmanager
    def _read(self, study: Study, case: Case) -> Iterator[Reading]:
        """Read a case's files with the memory that building it takes. Whoever builds asks for memory first and for the
        case's lock then: two who did it in different orders would wait for one another."""
        needed = self._needed(study, case)
        with self._memory.reserve(needed), Reading(self._index, int(_HELD_SHARE * needed)) as reading:
            yield reading

    def open_cases(
        self, study: Study, cases: Sequence[Case], progress: Progress = SILENT, state: FittedState = EMPTY
    ) -> tuple[StoredCase, ...]:
        """Every case, in order. Raises one `InputError` with the problems of all cases."""
        findings, opened, pipeline = Findings(), [], Pipeline(study, state)
        self._sweep()
        with self._index.batch(), ThreadPoolExecutor(_BUILDERS, "store") as pool:
            waiting = [pool.submit(self._open, pipeline, case) for case in cases]
            try:
                for done, (case, future) in enumerate(zip(cases, waiting, strict=True), start=1):
                    with findings.gather():
                        opened.append(future.result())
                    _require_disk(future)
                    progress.advance(done, case.subject)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        findings.raise_if_any()
        return tuple(opened)

    def release(self, cases: Iterable[StoredCase]) -> None:
        """This process does not need these cases any more: they may be removed when others need their room."""
        folders = [case.folder for case in cases]
        for folder in folders:
            SHELF.forget(folder)  # the disk has the room of a removed file only once nobody has it mapped
        self._users.release(folder.name for folder in folders)

    def list(self) -> tuple[StoreEntry, ...]:
        """Every whole entry, the one that was used longest ago first."""
        entries = (_entry(path.parent) for path in self._root.glob(f"cases/*/[0-9a-f]*/{DESCRIPTION}"))
        return tuple(
            sorted((entry for entry in entries if entry is not None), key=lambda entry: (entry.used, entry.key))
        )

    def prune(self, max_bytes: int) -> tuple[StoreEntry, ...]:
        """Remove the entries used longest ago until the rest needs at most `max_bytes`; returns what was removed.

        What a running process has opened is never removed, so that more may be left.
        """
        self._sweep()
        removed = []
        with self._users.pruning() as used:
            entries = self.list()
            excess = sum(entry.bytes for entry in entries) - max_bytes
            for entry in entries:
                if excess <= 0:
                    break
                if entry.key in used:
                    continue
                with self._locked(entry.key):
                    _discard(self._folder(entry.key))
                excess -= entry.bytes
                removed.append(entry)
        return tuple(removed)

    def verify(self, progress: Progress = SILENT) -> tuple[StoreEntry, ...]:
        """Read every byte of every entry; removes those that are damaged, which are made again when they are needed.

        Returns what was removed. An entry without a readable description counts as damaged.
        """
        damaged = []
        for done, folder in enumerate(sorted(self._root.glob("cases/*/[0-9a-f]*")), start=1):
            with self._locked(folder.name):
                description = read_description(folder)
                if folder.exists() and (description is None or not _is_whole(folder, description)):
                    damaged.append(_entry(folder) or StoreEntry(folder.name, "", "", taken_bytes(folder), 0.0))
                    _discard(folder)
            progress.advance(done)
        return tuple(damaged)

    def _folder(self, key: str) -> Path:
        return self._root / "cases" / key[:2] / key

    @contextlib.contextmanager
    def _locked(self, key: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold the lock of a key; yields False, without it, if another one holds it and one does not wait."""
        locks = self._root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key[:2]).open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def _build(self, pipeline: Pipeline, case: Case, digest: str, reading: Reading) -> StoredCase:
        key = storage_key(pipeline, digest)
        folder = self._folder(key)
        with self._room_for(pipeline.study, case, key), self._locked(key):
            # Another process may have built it while this one waited.
            description = read_description(folder) or self._write(pipeline, case, folder, digest, reading)
        return self._opened(pipeline, case, key, description, self._content(pipeline.study, case, digest, reading))

    def _content(self, study: Study, case: Case, digest: str, reading: Reading) -> twins.Content:
        """Digests of the decoded files; they were noted when the case was built, unless an earlier release did that."""
        key = content_key(study, digest)
        known = self._index.content(key)
        if known is None:
            known = content_of(case, sample_of(study, case, reading))
            self._index.note_content(key, known)
        return known

    def _write(self, pipeline: Pipeline, case: Case, folder: Path, digest: str, reading: Reading) -> Description:
        began = time.perf_counter()
        content, decoded = prepare(pipeline, case, digest, reading)
        require_space(self._root, content.bytes + MARGIN, f"the preprocessed images of {case.name}")
        _discard(folder)
        _write_whole(folder, content)
        del content
        self._index.note_content(content_key(pipeline.study, digest), decoded)
        built = read_description(folder)
        if built is None:
            raise RuntimeError(f"the entry {folder.name} cannot be read back")
        _LOG.debug("preprocessed %s in %.2f s, stored in %s", case.name, time.perf_counter() - began, folder)
        return built

    def _heal(self, pipeline: Pipeline, case: Case, key: str, digest: str, error: Exception) -> Description:
        """Make a damaged entry again from its files. Raises `InputError` if these are no longer what they were."""
        folder = self._folder(key)
        with self._read(pipeline.study, case) as reading, self._locked(key):
            present = read_description(folder)
            if present is not None and _is_whole(folder, present):  # another process was quicker
                return present
            _LOG.warning("%s: its stored arrays are damaged (%s). They are made again.", case.name, error)
            if reading.digest(case) != digest:
                raise InputError.one(
                    "the stored copy of this case is damaged, and its files are no longer those that it was made from",
                    where=case.name,
                    remedy="Start anew: the case as it is now is then read",
                )
            return self._write(pipeline, case, folder, digest, reading)

    @contextlib.contextmanager
    def _room_for(self, study: Study, case: Case, key: str) -> Iterator[None]:
        """Keep the store within its limit while a case joins it: what was used longest ago is removed."""
        needed = 0 if self._limit is None else room_for(study, case)
        try:
            if self._limit is not None:
                self._make_room(key, needed, self._limit)
            yield
        finally:
            with self._room:
                self._joining.pop(key, None)

    def _make_room(self, key: str, needed: int, limit: int) -> None:
        with self._room:
            if self._bytes is None or self._bytes + needed > limit:
                self._bytes = self._cleared(limit, needed)
            self._joining[key] = needed
            self._bytes += needed
            if self._bytes <= limit:
                return
            self._bytes = None
        raise StoreFullError.one(
            "the store has reached its limit, and all that it holds is in use",
            where=str(self._root),
            expected=shown_size(limit),
            remedy=RAISE_LIMIT,
        )

    def _cleared(self, limit: int, needed: int) -> int:
        """Bytes of the store and of the cases that are joining it, after room was made for one that needs so much."""
        joining = sum(self._joining.values())
        # One that is written counts as joining until its builder is done with it.
        kept = sum(entry.bytes for entry in self.list() if entry.key not in self._joining)
        if kept + joining + needed > limit:
            # More than this case needs, or each of many small ones would have the whole store listed.
            kept -= sum(entry.bytes for entry in self.prune(max(0, int(limit * _FILLED) - needed - joining)))
        return kept + joining

    def _sweep(self) -> None:
        """Remove what killed builders left half-built, once per store; where somebody builds, he does it himself."""
        if self._swept:
            return
        self._swept = True
        for folder in self._root.glob("cases/*/.*"):
            with self._locked(folder.name[1:], wait=False) as alone:
                if alone:
                    _discard(folder)

    def _needed(self, study: Study, case: Case) -> int:
        needed = building_bytes(study, case)
        if needed > self._memory.limit:
            _LOG.warning(
                "%s: preprocessing needs about %.1f GB of memory, more than the %.1f GB that it may use here. "
                "It is built alone.",
                case.name,
                needed / 1e9,
                self._memory.limit / 1e9,
            )
        return needed


def _require_disk(future: Future[StoredCase]) -> None:
    """A full disk ends the work at once, for it is one fault however many cases wait; other problems are collected."""
    error = future.exception()
    if isinstance(error, DiskFullError):
        raise error


def _write_whole(folder: Path, content: Content) -> None:
    """Write beside `folder`, then rename. Whatever happens, no half of a case is left."""
    building = folder.with_name(f".{folder.name}")
    _discard(building)
    try:
        building.mkdir(parents=True)
        write_entry(building, content)
        building.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        _discard(building)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError.one("the disk is full", where=str(folder.parent), remedy="Free some space") from None
        raise
    except BaseException:
        _discard(building)
        raise


def _discard(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _is_whole(folder: Path, description: Description) -> bool:
    try:
        check_entry(folder, description)
    except BrokenArrayError:
        return False
    return True


def _entry(folder: Path) -> StoreEntry | None:
    description = read_description(folder)
    try:
        size, used = taken_bytes(folder), (folder / DESCRIPTION).stat().st_mtime
    except FileNotFoundError:  # removed in the meantime
        return None
    if description is None:
        return StoreEntry(folder.name, "", "", size, used)
    return StoreEntry(folder.name, description.digest, description.study, size, used)
