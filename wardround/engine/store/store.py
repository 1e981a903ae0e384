"""The store: every case is preprocessed once, under a key made of its content and its preprocessing."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, sha256_hex
from wardround.engine.basics.files import fsync_folder, require_space
from wardround.engine.basics.memory import MemoryBudget, available_bytes
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.cohort import Case, twins
from wardround.engine.preprocessing import Pipeline, Sample, read_sample, target_index
from wardround.engine.preprocessing.cases import count_broken, name_of
from wardround.engine.store.digests import DigestIndex
from wardround.engine.store.entries import DESCRIPTION, FORMAT, Content, Description, read_entry, write_entry
from wardround.engine.store.room import building_bytes
from wardround.engine.store.types import StoredCase
from wardround.engine.study import Study

_LOG = logging.getLogger(__name__)
_MARGIN = 8 << 20
"""Bytes that must stay free beside the arrays of the case that is being written."""


_BUILDERS = 4
"""Cases that are read, preprocessed and written at once, as far as their memory allows: most of the time goes into
waiting for the disk."""
_MEMORY_SHARE = 0.5
"""Of the memory that is available, what the builders may use together."""


class StoreFullError(InputError):
    """The disk filled up while a case was being stored; what was half written is gone."""


@dataclass(frozen=True)
class StoreEntry:
    """One stored case, as `list` shows it.

    Attributes:
        key: names the folder.
        digest: the case's source bytes.
        study: name of the study that first stored it; others with equal preprocessing share it.
        bytes: room on disk.
        used: seconds since 1970 when it was last opened.
    """

    key: str
    digest: str
    study: str
    bytes: int
    used: float


def storage_key(study: Study, pipeline: Pipeline, digest: str) -> str:
    """SHA-256 over all that determines a stored case: source bytes, preprocessing, class map, layout."""
    content: JsonValue = {
        "format": FORMAT,
        "source": digest,
        "preprocessing": pipeline.signature,
        "task": study.task,
        "channels": len(study.inputs),
        "classes": [*study.class_values],
    }
    return sha256_hex(canonical_json(content))


def content_key(study: Study, digest: str) -> str:
    """Under which the decoded content of a case is noted: masks of other classes are read in another way."""
    return sha256_hex(canonical_json([digest, study.task, *study.class_values]))


def content_of(case: Case, sample: Sample) -> twins.Content:
    """Digests of the voxels as they were decoded, and of the mask or the value."""
    truth = (case.value or "") if sample.label is None else twins.voxels_digest([sample.label])
    return twins.Content(twins.voxels_digest(sample.image.data), truth)


class CaseStore:
    """Preprocessed cases under one folder. Any number of processes may use it at once.

    A case is built in a folder of its own that is renamed when it is whole, under a lock that the system releases when
    its holder dies; whoever takes the lock next removes what was left.
    """

    def __init__(self, root: Path, memory: int | None = None) -> None:
        """`memory`: bytes that building cases may take; half of what is available by default."""
        self._root = root
        self._index = DigestIndex(root / "digests.sqlite")
        self._memory = MemoryBudget(int(_MEMORY_SHARE * available_bytes()) if memory is None else memory)

    def open_case(self, study: Study, case: Case, digest: str | None = None) -> StoredCase:
        """The preprocessed case, memory-mapped; built first if it is not there or not whole.

        `digest` is the case's digest where the caller knows it. Raises `InputError` that names the case for sources
        that cannot be used, and for a disk without room.
        """
        pipeline = Pipeline(study)
        source = self._index.case_digest(case) if digest is None else digest
        key = storage_key(study, pipeline, source)
        stored = read_entry(self._folder(key)) or self._build(study, case, pipeline, key, source)
        os.utime(stored.folder / DESCRIPTION)
        return replace(stored, content=self._content(study, case, source))

    def _content(self, study: Study, case: Case, source: str) -> twins.Content:
        """Digests of the decoded files; they were noted when the case was built, unless an earlier release did that."""
        key = content_key(study, source)
        known = self._index.content(key)
        if known is None:
            with self._memory.reserve(self._needed(study, case)):
                known = content_of(case, read_sample(study, case))
            self._index.note_content(key, known)
        return known

    def open_cases(self, study: Study, cases: Sequence[Case], progress: Progress = SILENT) -> tuple[StoredCase, ...]:
        """Every case, in order. Raises one `InputError` with the problems of all cases."""
        findings, opened = Findings(), []
        with ThreadPoolExecutor(_BUILDERS, "store") as pool:
            waiting = [pool.submit(self.open_case, study, case) for case in cases]
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

    def list(self) -> tuple[StoreEntry, ...]:
        """Every whole entry, the one that was used longest ago first."""
        entries = (_entry(path.parent) for path in self._root.glob(f"cases/*/[0-9a-f]*/{DESCRIPTION}"))
        return tuple(sorted(entries, key=lambda entry: (entry.used, entry.key)))

    def prune(self, max_bytes: int) -> tuple[StoreEntry, ...]:
        """Remove the entries used longest ago until the rest needs at most `max_bytes`; returns what was removed.

        A process that has an entry open keeps what it has mapped.
        """
        entries = self.list()
        excess = sum(entry.bytes for entry in entries) - max_bytes
        removed = []
        for entry in entries:
            if excess <= 0:
                break
            with self._locked(entry.key):
                _discard(self._folder(entry.key))
            excess -= entry.bytes
            removed.append(entry)
        return tuple(removed)

    def _folder(self, key: str) -> Path:
        return self._root / "cases" / key[:2] / key

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        locks = self._root / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / key[:2]).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _build(self, study: Study, case: Case, pipeline: Pipeline, key: str, digest: str) -> StoredCase:
        folder = self._folder(key)
        with self._locked(key):
            present = read_entry(folder)  # another process may have built it while this one waited
            if present is not None:
                return present
            with self._memory.reserve(self._needed(study, case)):
                content, decoded = _prepare(study, case, pipeline, digest)
                require_space(self._root, content.bytes + _MARGIN, f"the preprocessed images of {name_of(case)}")
                _discard(folder)
                _write_whole(folder, content)
                del content
                self._index.note_content(content_key(study, digest), decoded)
            built = read_entry(folder)
        if built is None:
            raise RuntimeError(f"the entry {key} cannot be read back")
        return built

    def _needed(self, study: Study, case: Case) -> int:
        needed = building_bytes(study, case)
        if needed > self._memory.limit:
            _LOG.warning(
                "%s: preprocessing needs about %.1f GB of memory, more than the %.1f GB that it may use here. "
                "It is built alone.",
                name_of(case),
                needed / 1e9,
                self._memory.limit / 1e9,
            )
        return needed


def _require_disk(future: Future[StoredCase]) -> None:
    """A full disk ends the work at once; other problems are collected."""
    error = future.exception()
    if isinstance(error, StoreFullError):
        raise error


def _prepare(study: Study, case: Case, pipeline: Pipeline, digest: str) -> tuple[Content, twins.Content]:
    samples = [read_sample(study, case)]
    native, decoded = samples[0].image.geometry, content_of(case, samples[0])
    try:
        processed = pipeline.apply(samples.pop())
    except InputError as error:
        raise InputError(replace(problem, where=name_of(case)) for problem in error.problems) from None
    broken = count_broken(processed.image.data)
    if broken:
        raise InputError.one("preprocessing gave values that are not numbers", where=name_of(case), got=f"{broken:,}")
    return Content(study.study, digest, processed, native, target_index(study, case)), decoded


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


def _entry(folder: Path) -> StoreEntry:
    description = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
    size = sum(path.stat().st_size for path in folder.iterdir())
    return StoreEntry(folder.name, description.digest, description.study, size, (folder / DESCRIPTION).stat().st_mtime)
