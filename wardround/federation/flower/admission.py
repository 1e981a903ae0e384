"""Who may keep a connection to the link: few strangers, for a short time, and a bounded number for each site."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from .events import Announcer

Peer = tuple[str, int]
"""A connection's remote address and port."""


class Closer(Protocol):
    """Something that can drop a connection without further ado, such as asyncio's transports."""

    def abort(self) -> None:
        """Drop the connection now."""


@dataclass(frozen=True)
class GateLimits:
    """What a peer may take up. The defaults suit objects of 512 KiB on lines of 256 kbit/s and faster.

    Attributes:
        body_bytes: largest request body; more gets 413.
        reply_bytes: largest reply of a site, over all its objects.
        header_seconds: time for the TLS handshake, and again for a request's headers.
        body_seconds: time for a request's body to arrive, and again for the response to be taken.
        idle_seconds: how long a silent connection of a site is kept.
        strangers: open connections that have not authenticated yet, over all addresses.
        strangers_per_address: the same for one address. Sites behind one gateway share an address.
        connections_per_site: open connections of one site; the oldest is dropped for a new one.
    """

    body_bytes: int = 8 * 1024 * 1024
    reply_bytes: int = 4 * 1024 * 1024 * 1024
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    idle_seconds: float = 60.0
    strangers: int = 128
    strangers_per_address: int = 32
    connections_per_site: int = 16


class Admission:
    """Counts connections. Used from the listener's event loop only."""

    def __init__(self, limits: GateLimits, announcer: Announcer) -> None:
        self._limits = limits
        self._announcer = announcer
        self._strangers: dict[Peer, None] = {}
        self._sites: dict[str, OrderedDict[Peer, None]] = {}
        self._site_of: dict[Peer, str] = {}
        self._closers: dict[Peer, Closer] = {}

    def admit(self, peer: Peer) -> bool:
        """Count a new connection in, or say that there are too many strangers already."""
        if len(self._strangers) >= self._limits.strangers:
            self._announcer.limited("too many connections")
            return False
        if sum(1 for other in self._strangers if other[0] == peer[0]) >= self._limits.strangers_per_address:
            self._announcer.limited("too many connections from one address")
            return False
        self._strangers[peer] = None
        return True

    def opened(self, peer: Peer, closer: Closer) -> None:
        """Note how to drop a connection whose TLS handshake is done."""
        self._closers[peer] = closer

    def authenticated(self, peer: Peer, site: str) -> None:
        """Count a connection as its site's own; the site's oldest connection makes room for it."""
        if self._site_of.get(peer) == site:
            return
        self._strangers.pop(peer, None)
        self._site_of[peer] = site
        own = self._sites.setdefault(site, OrderedDict())
        own[peer] = None
        if len(own) > self._limits.connections_per_site:
            self._drop(next(iter(own)), site)

    def expel(self, site: str) -> None:
        """Drop every connection of a site."""
        for peer in list(self._sites.get(site, ())):
            self._close(peer)

    def release(self, peer: Peer) -> None:
        """Count a connection out. May be called more than once."""
        self._strangers.pop(peer, None)
        self._closers.pop(peer, None)
        site = self._site_of.pop(peer, None)
        if site is not None:
            self._sites[site].pop(peer, None)

    def _drop(self, peer: Peer, site: str) -> None:
        self._announcer.limited("too many connections of one site", site)
        self._close(peer)

    def _close(self, peer: Peer) -> None:
        closer = self._closers.get(peer)
        self.release(peer)
        if closer is not None:
            closer.abort()
