"""Which sites are there: a site is online while it is heard, and offline when it signed off or fell silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from wardround.federation.flower.events import Announcer, LinkEvent

SILENCE_SECONDS = 20.0
"""A site that polls several times a second and beats every few seconds is gone after this silence."""


class Presence:
    """When each site was last heard, and the events that follow from it. Thread-safe.

    Args:
        sites: names in the roster.
        announcer: told who comes and goes.
        chores: what else is to be looked after once a second, in the same thread.
    """

    def __init__(self, sites: Iterable[str], announcer: Announcer, chores: Sequence[Callable[[], None]] = ()) -> None:
        self._announcer = announcer
        self._chores = tuple(chores)
        self._lock = threading.Lock()
        self._last: dict[str, float | None] = dict.fromkeys(sites)
        self._online: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="wardround-presence", daemon=True)

    def start(self) -> None:
        """Begin to look for silent sites."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def seen(self, site: str) -> None:
        """Note that an authenticated request of this site is being served."""
        with self._lock:
            self._last[site] = time.monotonic()
            came = site not in self._online
            self._online.add(site)
        if came:
            self._announcer.presence(LinkEvent("online", site, "authenticated"))

    def left(self, site: str, detail: str = "signed off") -> None:
        """Note that this site signed off, or why else it is gone."""
        self._leave([site], detail)

    def add(self, sites: Iterable[str]) -> None:
        """Watch these sites as well; those that are watched already stay as they are."""
        with self._lock:
            self._last = {**dict.fromkeys(sites), **self._last}

    def seconds_since_seen(self, site: str) -> float | None:
        """Seconds since the site was heard, or None if it never was. Raises KeyError for names not in the roster."""
        with self._lock:
            last = self._last[site]
        return None if last is None else time.monotonic() - last

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self.sweep()
            for chore in self._chores:
                chore()

    def sweep(self) -> None:
        """Count sites that fell silent as offline."""
        limit = time.monotonic() - SILENCE_SECONDS
        with self._lock:
            silent = [site for site in self._online if (self._last[site] or 0.0) < limit]
        self._leave(silent, f"silent for {SILENCE_SECONDS:.0f} s")

    def _leave(self, sites: Iterable[str], detail: str) -> None:
        for site in sites:
            with self._lock:
                was_online = site in self._online
                self._online.discard(site)
            if was_online:
                self._announcer.presence(LinkEvent("offline", site, detail))
