"""Which machine speaks for a site: one at a time, and each of its requests once.

Two machines with one site's keys would each get half of the site's messages. The one that was there first keeps its
place until it signs off or falls silent. A process that starts again on the same work folder takes over as soon as the
connections of the former one are closed, which the system does when a process dies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from wardround.federation.flower.events import Announcer
from wardround.federation.flower.link.presence import SILENCE_SECONDS
from wardround.federation.flower.signing import Claims, Machine, Reason

_NUMBERS = 4096
_INSTALLATIONS = 64
_SETTLING_SECONDS = 3.0
_OVER_SECONDS = 90.0

Peer = tuple[str, int]


@dataclass
class UsedNumbers:
    """The numbers that were used: the highest, and which of those just below it. What is far below counts as used."""

    highest: int = 0
    seen: int = 0

    def take(self, number: int) -> bool:
        """Use a number. False when it was used before, or may have been."""
        if number > self.highest:
            step = number - self.highest
            self.seen = ((self.seen << step) | 1) & ((1 << _NUMBERS) - 1) if step < _NUMBERS else 1
            self.highest = number
            return True
        behind = self.highest - number
        if behind >= _NUMBERS or self.seen >> behind & 1:
            return False
        self.seen |= 1 << behind
        return True


@dataclass
class _Speaker:
    """The machine that speaks for a site now."""

    machine: Machine
    heard: float
    numbers: UsedNumbers = field(default_factory=UsedNumbers)
    connections: set[Peer] = field(default_factory=set)
    signed_off: bool = False


@dataclass
class _Site:
    """What is known of one site's machines. `newest` has the last session of each installation that has spoken.

    `rival` is the process that was refused last, `elsewhere` its address.
    """

    speaker: _Speaker | None = None
    newest: dict[str, int] = field(default_factory=dict)
    disputed_since: float | None = None
    disputed_last: float = 0.0
    announced: bool = False
    elsewhere: str = ""
    rival: str = ""


class Machines:
    """Decides which machine is heard. Thread-safe.

    Args:
        announcer: told when a second machine uses a site's keys, and when it has stopped.
        clock: seconds that only grow.
    """

    def __init__(self, announcer: Announcer, clock: Callable[[], float] = time.monotonic) -> None:
        self._announcer = announcer
        self._clock = clock
        self._lock = threading.Lock()
        self._sites: dict[str, _Site] = {}
        self._owner: dict[Peer, str] = {}

    def admit(self, site: str, claims: Claims, peer: Peer) -> Reason | None:
        """Hear a request whose signature holds, or say why not."""
        with self._lock:
            known, now = self._sites.setdefault(site, _Site()), self._clock()
            reason = self._turn(known, claims, now)
            if reason is None and known.speaker is not None:
                known.speaker.heard, known.speaker.signed_off = now, False
                known.speaker.connections.add(peer)
                self._owner[peer] = site
            disputed = reason is Reason.OTHER_MACHINE and _dispute(known, claims.machine, now)
            if reason is Reason.OTHER_MACHINE:
                known.elsewhere, known.rival = peer[0], claims.machine.process
        if disputed:
            self._announcer.doubled(f"another machine, at {peer[0]}, uses this site's keys and is refused", site)
        return reason

    def would_refuse(self, site: str, machine: Machine) -> bool:
        """Whether this machine would be refused because another one speaks for the site."""
        with self._lock:
            known = self._sites.get(site)
            speaker = known.speaker if known is not None else None
            if speaker is None or speaker.machine.installation == machine.installation:
                return False
            return not _has_left(speaker, self._clock())

    def second(self, site: str) -> str:
        """From where a second machine asks with a site's keys; empty where none does."""
        known = self._sites.get(site)
        return known.elsewhere if known is not None and known.announced else ""

    def closed(self, peer: Peer) -> None:
        """Note that a connection is gone."""
        with self._lock:
            known = self._sites.get(self._owner.pop(peer, ""))
            if known is not None and known.speaker is not None:
                known.speaker.connections.discard(peer)

    def left(self, site: str) -> None:
        """Note that the machine that speaks for a site signed off."""
        with self._lock:
            known = self._sites.get(site)
            if known is not None and known.speaker is not None:
                known.speaker.signed_off = True

    def forget(self, site: str) -> None:
        """Note that a site's key was revoked or replaced: whoever comes next is heard."""
        with self._lock:
            known = self._sites.get(site)
            if known is not None:
                known.speaker = None

    def sweep(self) -> None:
        """Announce which disputes are over."""
        with self._lock:
            limit = self._clock() - _OVER_SECONDS
            over = [site for site, known in self._sites.items() if known.announced and known.disputed_last < limit]
            for site in over:
                self._sites[site].announced, self._sites[site].disputed_since = False, None
        for site in over:
            self._announcer.alone_again(f"no second machine for {_OVER_SECONDS:.0f} s", site)

    def _turn(self, known: _Site, claims: Claims, now: float) -> Reason | None:
        speaker, machine = known.speaker, claims.machine
        if speaker is None or speaker.machine != machine:
            if machine.session <= known.newest.get(machine.installation, -1):
                return Reason.REPEATED
            if speaker is not None and not _makes_way(speaker, machine, now):
                return Reason.OTHER_MACHINE
            speaker = known.speaker = _Speaker(machine, now)
            if machine.process == known.rival:
                known.elsewhere = ""  # it has taken over: it need not be warned of itself
            known.newest[machine.installation] = machine.session
            if len(known.newest) > _INSTALLATIONS:
                known.newest.pop(next(iter(known.newest)))
        return None if speaker.numbers.take(claims.number) else Reason.REPEATED


def _has_left(speaker: _Speaker, now: float) -> bool:
    return speaker.signed_off or now - speaker.heard >= SILENCE_SECONDS


def _makes_way(speaker: _Speaker, machine: Machine, now: float) -> bool:
    if speaker.machine.process == machine.process or _has_left(speaker, now):
        return True
    return speaker.machine.installation == machine.installation and not speaker.connections


def _dispute(known: _Site, machine: Machine, now: float) -> bool:
    """Note a refused machine; whether it is time to announce it. A restart on one work folder settles in a moment."""
    if known.disputed_since is None or now - known.disputed_last > _OVER_SECONDS:
        known.disputed_since = now
    known.disputed_last = now
    restarts = known.speaker is not None and known.speaker.machine.installation == machine.installation
    if known.announced or (restarts and now - known.disputed_since < _SETTLING_SECONDS):
        return False
    known.announced = True
    return True
