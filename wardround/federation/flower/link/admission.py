"""Who may keep a connection to the link: few strangers, for a short time, and a bounded number for each site.

A stranger is a connection on which no enrolled key has been shown yet. Nobody is turned away at the door: when there
are too many strangers, the oldest of those that come from the most crowded network make room. Addresses at which a
site has shown its key have places of their own, which strangers cannot take.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from wardround.federation.flower.events import Announcer

Peer = tuple[str, int]
"""A connection's remote address and port."""

_IPV4_PREFIX, _IPV6_PREFIX = 24, 64
_HOMES = 4096


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
        handshake_seconds: time for the TLS handshake, counted from the moment when the connection was accepted.
        first_request_seconds: time that a stranger has for the headers of its first request.
        header_seconds: time for the headers of every later request.
        body_seconds: time for a request's body to arrive, and again for the response to be taken.
        refused_bytes: what is read and thrown away of a request that was refused, so that its sender sees the answer.
        refused_seconds: how long that may take.
        idle_seconds: how long a silent connection of a site is kept.
        strangers: open connections that have not authenticated yet, over all addresses.
        strangers_per_source: the same for one network, that is /24 in IPv4 and /64 in IPv6.
        returning: as `strangers`, for connections from addresses at which a site has authenticated before.
        returning_per_address: the same for one such address. Sites behind one gateway share an address.
        connections_per_site: open connections of one site; the oldest is dropped for a new one.
    """

    body_bytes: int = 8 * 1024 * 1024
    reply_bytes: int = 4 * 1024 * 1024 * 1024
    handshake_seconds: float = 3.0
    first_request_seconds: float = 5.0
    header_seconds: float = 10.0
    body_seconds: float = 120.0
    refused_bytes: int = 16 * 1024 * 1024
    refused_seconds: float = 5.0
    idle_seconds: float = 60.0
    strangers: int = 128
    strangers_per_source: int = 32
    returning: int = 512
    returning_per_address: int = 128
    connections_per_site: int = 16


def plain_address(address: str) -> str:
    """An IP address in its usual form: without a zone, and an IPv4 address inside IPv6 as the former."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def source_of(address: str) -> str:
    """The network that an address counts with: one household or one rented server has as much as this."""
    try:
        parsed = ipaddress.ip_address(plain_address(address))
    except ValueError:
        return address
    prefix = _IPV4_PREFIX if parsed.version == 4 else _IPV6_PREFIX
    return str(ipaddress.ip_network((parsed, prefix), strict=False))


class Places:
    """A bounded number of connections, of which a bounded number share a source. The newest always finds a place.

    Args:
        capacity: connections in all.
        per_source: connections of one source.
    """

    def __init__(self, capacity: int, per_source: int) -> None:
        self._capacity, self._per_source = capacity, per_source
        self._source: OrderedDict[Peer, str] = OrderedDict()
        self._crowds: dict[str, OrderedDict[Peer, None]] = {}

    def __len__(self) -> int:
        """Connections that have a place."""
        return len(self._source)

    def __contains__(self, peer: Peer) -> bool:
        """Whether a connection has a place."""
        return peer in self._source

    def add(self, peer: Peer, source: str) -> Peer | None:
        """Give a connection a place. Gives the connection that lost its place for that, if one had to."""
        self.remove(peer)
        leaving = self._leaving(source)
        if leaving is not None:
            self.remove(leaving)
        self._source[peer] = source
        self._crowds.setdefault(source, OrderedDict())[peer] = None
        return leaving

    def remove(self, peer: Peer) -> None:
        """Free a connection's place, if it has one."""
        source = self._source.pop(peer, None)
        if source is not None:
            crowd = self._crowds[source]
            del crowd[peer]
            if not crowd:
                del self._crowds[source]

    def oldest(self, count: int) -> tuple[Peer, ...]:
        """The connections that have been here longest."""
        return tuple(islice(self._source, count))

    def _leaving(self, source: str) -> Peer | None:
        crowd = self._crowds.get(source)
        if crowd is not None and len(crowd) >= self._per_source:
            return next(iter(crowd))
        if len(self._source) < self._capacity:
            return None
        most = max(len(crowd) for crowd in self._crowds.values())
        return next(peer for peer, source in self._source.items() if len(self._crowds[source]) == most)


class Admission:
    """Counts connections and drops what is too much. Used from the listener's event loop only.

    Args:
        limits: how many of what.
        announcer: told what made room, and from where it came.
        gone: called with every connection that is counted out.
    """

    def __init__(self, limits: GateLimits, announcer: Announcer, gone: Callable[[Peer], None]) -> None:
        self._limits = limits
        self._announcer = announcer
        self._gone = gone
        self._strangers = Places(limits.strangers, limits.strangers_per_source)
        self._returning = Places(limits.returning, limits.returning_per_address)
        self._homes: OrderedDict[str, None] = OrderedDict()
        self._sites: dict[str, OrderedDict[Peer, None]] = {}
        self._site_of: dict[Peer, str] = {}
        self._closers: dict[Peer, Closer] = {}

    def admit(self, peer: Peer, closer: Closer) -> None:
        """Count a new connection in; another one may have to make room for it."""
        self._closers[peer] = closer
        if peer[0] in self._homes:
            leaving = self._returning.add(peer, peer[0])
        else:
            leaving = self._strangers.add(peer, source_of(peer[0]))
        if leaving is not None:
            self._announcer.crowded(leaving[0] if leaving[0] in self._homes else source_of(leaving[0]))
            self._close(leaving)

    def opened(self, peer: Peer, closer: Closer) -> None:
        """Note how to drop a connection whose TLS handshake is done. One that has lost its place is dropped."""
        if peer in self._closers:
            self._closers[peer] = closer
        else:
            closer.abort()

    def authenticated(self, peer: Peer, site: str) -> None:
        """Count a connection as its site's own; the site's oldest connection makes room for it."""
        if self._site_of.get(peer) == site or peer not in self._closers:
            return
        self._strangers.remove(peer)
        self._returning.remove(peer)
        self._remember_home(peer[0])
        self._site_of[peer] = site
        own = self._sites.setdefault(site, OrderedDict())
        own[peer] = None
        if len(own) > self._limits.connections_per_site:
            self._announcer.limited("too many connections of one site", site)
            self._close(next(iter(own)))

    def relieve(self) -> None:
        """Drop the older half of the connections without an enrolled key: the machine has room for no more."""
        for places in (self._strangers, self._returning):
            for peer in places.oldest((len(places) + 1) // 2):
                self._close(peer)

    def expel(self, site: str) -> None:
        """Drop every connection of a site."""
        for peer in list(self._sites.get(site, ())):
            self._close(peer)

    def release(self, peer: Peer) -> None:
        """Count a connection out. May be called more than once."""
        self._strangers.remove(peer)
        self._returning.remove(peer)
        self._closers.pop(peer, None)
        site = self._site_of.pop(peer, None)
        if site is not None:
            self._sites[site].pop(peer, None)
        self._gone(peer)

    def _remember_home(self, address: str) -> None:
        self._homes[address] = None
        self._homes.move_to_end(address)
        if len(self._homes) > _HOMES:
            self._homes.popitem(last=False)

    def _close(self, peer: Peer) -> None:
        closer = self._closers.get(peer)
        self.release(peer)
        if closer is not None:
            closer.abort()
