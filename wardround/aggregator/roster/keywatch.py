"""Changes of the sites' keys while a run goes on: link and rounds believe what the coordinator decides, at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.key_changes import changes_file, read_changes
from wardround.aggregator.roster.keyring import Believed, KeyRing, believed
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import Roster, transport_public_bytes

_LOOK_EVERY = 0.5


class Lock(Protocol):
    """The part of the link that decides who may speak."""

    def enrol(self, sites: Mapping[str, bytes]) -> None:
        """Let these sites take part, each with this key only."""

    def revoke(self, site: str) -> None:
        """Let nobody speak for this site."""


class KeyWatch:
    """Looks at the file of key changes, and tells ring, link and journal what is new in it."""

    def __init__(self, roster: Roster, roster_path: Path, ring: KeyRing, link: Lock, journal: Journal) -> None:
        self._roster, self._path = roster, roster_path
        self._ring, self._link, self._journal = ring, link, journal
        self._seen: tuple[int, int] | None = None

    def look(self) -> None:
        """Take up what has changed since the last look. A file that cannot be used is said, and changes nothing."""
        seen = _version(changes_file(self._path))
        if seen == self._seen:
            return
        self._seen = seen
        try:
            sites = believed(self._roster, read_changes(self._path))
        except InputError as error:
            self._journal.record(Event.KEYS_UNREADABLE, detail=str(error))
            return
        for name, each in self._ring.update(sites).items():
            self._tell(name, each)

    def _tell(self, name: str, each: Believed) -> None:
        if each.revoked:
            self._link.revoke(name)
            self._journal.record(Event.KEY_REVOKED, site=name)
        else:
            self._link.enrol({name: transport_public_bytes(each.member.transport_key)})
            self._journal.record(Event.KEY_REPLACED, site=name)


@contextmanager
def watching(watch: KeyWatch) -> Iterator[None]:
    """Look twice a second while the block runs."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(_LOOK_EVERY):
            watch.look()

    thread = threading.Thread(target=work, name="wardround-keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _version(path: Path) -> tuple[int, int]:
    """Time and size of the file; zeros while there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
