"""What the two ends report. Details come from a fixed vocabulary and numbers: never text that a peer chose."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

_log = logging.getLogger(__name__)

_NAMING_SECONDS = 600.0
_NETWORKS_NAMED = 20

EventT = TypeVar("EventT")


@dataclass(frozen=True)
class LinkEvent:
    """Something that happened on the aggregator's side.

    Attributes:
        kind: `online` and `offline` are a site's presence, `refused` a request that was turned away, `limited` a
            connection or body that exceeded a limit, `doubled` that a second machine uses a site's keys and `alone`
            that it does no longer, `certificate` what became of the link's own certificate.
        site: the site's name in the roster, or None when the peer is not known to be one.
        detail: fixed words and numbers, such as "clock 10 s ahead".
    """

    kind: Literal["online", "offline", "refused", "limited", "doubled", "alone", "certificate"]
    site: str | None
    detail: str


@dataclass(frozen=True)
class NodeEvent:
    """Something that happened on the courier's side.

    Attributes:
        kind: what happened.
        detail: fixed words, such as "http 500" or "link cut"; what a proxy said is quoted, printable and short.
        value: a number where there is one: bytes for `pulled` and `sent`, seconds ahead for `clock_skew`.
    """

    kind: Literal[
        "connecting",
        "connected",
        "disconnected",
        "clock_skew",
        "refused",
        "pulled",
        "sent",
        "foreign_bundle",
        "doubled",
        "alone",
    ]
    detail: str = ""
    value: float | None = None


def ignore(_event: LinkEvent | NodeEvent) -> None:
    """A listener that does nothing."""


class Announcer:
    """Hands link events to a listener, each different one at most once per interval, and contains what it raises."""

    def __init__(self, listener: Callable[[LinkEvent], None], interval: float = 10.0) -> None:
        self._listener = listener
        self._interval = interval
        self._lock = threading.Lock()
        self._last: dict[LinkEvent, float] = {}
        self._named: dict[tuple[str, str], float] = {}

    def presence(self, event: LinkEvent) -> None:
        """Report a change of presence; never held back."""
        call_listener(self._listener, event)

    def doubled(self, detail: str, site: str) -> None:
        """Report that a second machine uses a site's keys."""
        call_listener(self._listener, LinkEvent("doubled", site, detail))

    def alone_again(self, detail: str, site: str) -> None:
        """Report that the second machine is gone."""
        call_listener(self._listener, LinkEvent("alone", site, detail))

    def certificate(self, detail: str) -> None:
        """Report what became of the link's own certificate."""
        call_listener(self._listener, LinkEvent("certificate", None, detail))

    def crowded(self, source: str) -> None:
        """Report from where connections came that had to make room."""
        place = self._name(source, "crowded")
        if place:
            self.limited(f"too many connections from {place} without an enrolled key: the oldest were dropped")

    def no_handshake(self, source: str) -> None:
        """Report from where somebody connected who did not get as far as TLS."""
        place = self._name(source, "no_handshake")
        if place:
            self.refused(f"tls handshake failed, from {place}")

    def no_source(self, proxy: str, sent: str) -> None:
        """Report that a proxy did not say for whom it connects."""
        if self._name(proxy, "no_source"):
            self.limited(f"the proxy {proxy} sent {sent}")

    def _name(self, source: str, matter: str) -> str:
        """How to name a network: each once in a while and not too many; empty when it was named lately."""
        now = time.monotonic()
        with self._lock:
            self._named = {known: at for known, at in self._named.items() if now - at < _NAMING_SECONDS}
            count = sum(1 for other, _ in self._named if other == matter)
            if (matter, source) in self._named or count > _NETWORKS_NAMED:
                return ""
            self._named[matter, source] = now
        return source if count < _NETWORKS_NAMED else "further networks"

    def limited(self, detail: str, site: str | None = None) -> None:
        """Report that a limit was hit."""
        self._at_most_once(LinkEvent("limited", site, detail))

    def refused(self, detail: str, site: str | None = None) -> None:
        """Report that a request was turned away."""
        self._at_most_once(LinkEvent("refused", site, detail))

    def _at_most_once(self, event: LinkEvent) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(event, -self._interval) < self._interval:
                return
            self._last = {known: at for known, at in self._last.items() if now - at < self._interval}
            self._last[event] = now
        call_listener(self._listener, event)


def call_listener(listener: Callable[[EventT], None], event: EventT) -> None:
    """Call a listener; what it raises is logged and goes no further, since the transport must go on."""
    try:
        listener(event)
    except Exception:
        _log.exception("A listener for transport events failed on %r", event)
