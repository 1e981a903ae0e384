"""State that a site carries from round to round: named blobs, such as the optimiser's moments.

The state after a piece of work waits under `pending/<work key>`. A later task says which reply the aggregator has
accepted: that one's state is committed, any other is rolled back. Each blob bears its SHA-256 in its name, and a list
says which there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.files import (
    DamagedError,
    discard,
    fsync_folder,
    read_checked,
    read_whole,
    sweep_left_overs,
    write_atomic,
    write_checked,
)
from wardround.site_client.between.folders import entries

_BLOB = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LIST = "blobs.json"
_ROUNDS_BACK = 3
"""So many accepted states before the last one are kept: as many rounds as an aggregator can undo by default."""


@dataclass(frozen=True)
class Settlement:
    """What settling did, for the log."""

    committed: str | None
    rolled_back: tuple[str, ...]
    lost: bool


def _nothing_waits(work_key: str) -> bool:
    return False


@dataclass(frozen=True)
class CarriedState:
    """The carried state of one site, under `root`."""

    root: Path

    def settle(self, accepted: str | None, current: str, waits: Callable[[str], bool] = _nothing_waits) -> Settlement:
        """Commit what `accepted` left behind and roll back the rest, apart from `current`, the work at hand.

        `accepted` decides alone, so that settling twice, or again after a crash, gives the same state. It is lost
        when the state of that work was never here, as after the work folder was emptied. Work that `waits`, because
        its reply can still be handed over, keeps its state: so it does after rounds before it were undone.
        """
        committed = self._commit(accepted)
        self._thin_out(accepted)
        old = tuple(key for key in entries(self._pending) if key != current and not waits(key))
        for key in old:
            discard(self._pending / key)
        lost = accepted is not None and not (self._committed / accepted).exists()
        return Settlement(accepted if committed else None, old, lost)

    def committed(self, accepted: str | None) -> Mapping[str, bytes]:
        """The blobs that the accepted work left behind; none when there is no such state.

        Raises:
            DamagedError: a blob does not have the digest in its name, or is not there.
        """
        if accepted is None or not (self._committed / accepted).exists():
            return {}
        folder = self._committed / accepted
        return dict(_read(folder / name) for name in _listed(folder))

    def set_aside(self, accepted: str) -> Path:
        """Take a damaged state out of use without deleting it; where it is now. It counts as lost from now on."""
        aside = self.root / "damaged"
        shutil.rmtree(aside, ignore_errors=True)
        (self._committed / accepted).rename(aside)
        fsync_folder(self.root)
        return aside

    def sweep(self) -> int:
        """Remove what a kill left half-written; how much that was. For the worker, before it begins."""
        left = [path for path in self._pending.glob(".*") if path.is_dir()]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left) + len(sweep_left_overs(self.root))

    def put_pending(self, work_key: str, blobs: Mapping[str, bytes]) -> None:
        """Keep the state after a piece of work until a task tells what becomes of it."""
        unfit = [name for name in blobs if not _BLOB.fullmatch(name)]
        if unfit:
            raise ValueError(f"names of carried state: {unfit}")
        building, folder = self._pending / f".{work_key}", self._pending / work_key
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        for name, content in blobs.items():
            write_atomic(building / _file_name(name, content), content)
        names = sorted(_file_name(name, content) for name, content in blobs.items())
        write_checked(building / _LIST, canonical_json(list(names)))
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
        fsync_folder(self._pending)

    @property
    def _pending(self) -> Path:
        return self.root / "pending"

    @property
    def _committed(self) -> Path:
        return self.root / "committed"

    def _thin_out(self, accepted: str | None) -> None:
        """Keep the accepted state and those that were accepted last before it, for rounds that are undone."""
        others = [self._committed / key for key in entries(self._committed) if key != accepted]
        for folder in sorted(others, key=lambda folder: folder.stat().st_mtime_ns)[:-_ROUNDS_BACK]:
            _remove(folder)

    def _commit(self, accepted: str | None) -> bool:
        """Commit a state that waits. It takes the place of an older one of the same work, which was done again."""
        if accepted is None:
            return False
        pending, place = self._pending / accepted, self._committed / accepted
        is_new = pending.exists()
        if is_new:
            self._committed.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            pending.rename(place)
            fsync_folder(self._pending)
            fsync_folder(self._committed)
        if place.exists():
            os.utime(place)  # it was accepted last, whenever it was made
        return is_new


def _remove(folder: Path) -> None:
    """The list of blobs goes last, so that what a kill leaves is known to lack some."""
    for path in folder.iterdir():
        if path.name != _LIST:
            discard(path)
    discard(folder)


def _file_name(name: str, content: bytes) -> str:
    return f"{name}.{hashlib.sha256(content).hexdigest()}.blob"


def _listed(folder: Path) -> list[str]:
    """Names of the blobs that there should be; those that there are, where no sound list says it."""
    try:
        return list(json.loads(read_checked(folder / _LIST)))
    except (FileNotFoundError, DamagedError):
        return sorted(path.name for path in folder.glob("*.blob"))


def _read(path: Path) -> tuple[str, bytes]:
    """A blob by name. One of release 0.1.0 has no digest in its name, and cannot be checked."""
    name, *digest = path.name.removesuffix(".blob").split(".")
    try:
        content = read_whole(path)
    except FileNotFoundError:
        raise DamagedError(path) from None
    if digest and hashlib.sha256(content).hexdigest() != digest[0]:
        raise DamagedError(path)
    return name, content
