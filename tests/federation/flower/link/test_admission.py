"""Who keeps a place: the newest always finds one, networks count as one, and sites' own places cannot be taken."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from wardround.federation.flower.events import Announcer, LinkEvent
from wardround.federation.flower.link.admission import Admission, GateLimits, Peer, Places, plain_address, source_of


@pytest.mark.parametrize(
    ("address", "plain", "source"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("", "", ""),
    ],
)
def test_an_address_counts_with_its_network(address: str, plain: str, source: str) -> None:
    assert (plain_address(address), source_of(address)) == (plain, source)


class SlowPlaces:
    """The same rule, written down without any bookkeeping."""

    def __init__(self, capacity: int, per_source: int) -> None:
        self.capacity, self.per_source = capacity, per_source
        self.held: list[tuple[Peer, str]] = []

    def add(self, peer: Peer, source: str) -> Peer | None:
        self.remove(peer)
        crowds = Counter(place for _, place in self.held)
        leaving = None
        if crowds[source] >= self.per_source:
            leaving = next(other for other, place in self.held if place == source)
        elif len(self.held) >= self.capacity:
            leaving = next(other for other, place in self.held if crowds[place] == max(crowds.values()))
        if leaving is not None:
            self.remove(leaving)
        self.held.append((peer, source))
        return leaving

    def remove(self, peer: Peer) -> None:
        self.held = [(other, place) for other, place in self.held if other != peer]


@pytest.mark.parametrize("seed", range(20))
def test_places_are_given_as_the_rule_says(seed: int) -> None:
    draw = random.Random(seed)
    capacity, per_source = draw.randint(1, 12), draw.randint(1, 6)
    fast, slow = Places(capacity, per_source), SlowPlaces(capacity, per_source)
    for _ in range(400):
        peer: Peer = (f"10.0.{draw.randint(0, 5)}.{draw.randint(0, 2)}", draw.randint(1, 9))
        if draw.random() < 0.3:
            fast.remove(peer)
            slow.remove(peer)
        else:
            assert fast.add(peer, source_of(peer[0])) == slow.add(peer, source_of(peer[0]))
            assert peer in fast
        assert len(fast) == len(slow.held) <= capacity
        assert max(Counter(place for _, place in slow.held).values(), default=0) <= per_source


class Door:
    """A closer that remembers whether it was used."""

    def __init__(self) -> None:
        self.closed = False

    def abort(self) -> None:
        self.closed = True


class Listening:
    """An admission with everything that it said and did."""

    def __init__(self, limits: GateLimits) -> None:
        self.events: list[LinkEvent] = []
        self.gone: list[Peer] = []
        self.doors: dict[Peer, Door] = {}
        self.admission = Admission(limits, Announcer(self.events.append), self.gone.append)

    def knock(self, address: str, port: int) -> Peer:
        peer = (address, port)
        self.doors[peer] = Door()
        self.admission.admit(peer, self.doors[peer])
        return peer

    def site(self, address: str, port: int, name: str = "north") -> Peer:
        peer = self.knock(address, port)
        self.admission.authenticated(peer, name)
        return peer


def test_a_lone_newcomer_outlasts_an_attack_from_few_networks() -> None:
    listening = Listening(GateLimits(strangers=128, strangers_per_source=32))
    for port in range(1000):
        listening.knock(f"198.51.{port % 4}.7", port)
    hospital = listening.knock("203.0.113.9", 1)
    for port in range(1000, 3000):
        listening.knock(f"198.51.{port % 4}.7", port)
    assert not listening.doors[hospital].closed
    assert sum(not door.closed for door in listening.doors.values()) <= 128


def test_addresses_of_one_network_count_as_one() -> None:
    listening = Listening(GateLimits(strangers=128, strangers_per_source=4))
    for port in range(200):
        listening.knock(f"198.51.100.{port}", port)
        listening.knock(f"2001:db8:0:1::{port:x}", port)
    assert sum(not door.closed for door in listening.doors.values()) == 8


def test_strangers_cannot_take_the_places_of_sites_and_their_addresses() -> None:
    listening = Listening(GateLimits(strangers=16, strangers_per_source=16))
    open_ones = [listening.site(f"10.{number}.0.1", 1, f"site{number}") for number in range(100)]
    coming_back = listening.knock("10.5.0.1", 2)
    for port in range(5000):
        listening.knock(f"10.{port % 100}.0.{2 + port % 250}", port)
        listening.knock(f"198.{port % 200}.{port % 7}.1", port)
    assert not any(listening.doors[peer].closed for peer in [*open_ones, coming_back])


def test_fifty_sites_behind_one_gateway_are_not_limited_by_it() -> None:
    listening = Listening(GateLimits())
    peers = [listening.site("192.0.2.1", 100 * site + n, f"site{site}") for site in range(50) for n in range(16)]
    assert not any(listening.doors[peer].closed for peer in peers)
    coming = [listening.knock("192.0.2.1", 9000 + number) for number in range(100)]
    assert not any(listening.doors[peer].closed for peer in [*peers, *coming])


def test_a_stranger_at_a_sites_address_cannot_crowd_it_out_for_ever() -> None:
    listening = Listening(GateLimits(returning_per_address=8))
    listening.site("192.0.2.1", 1)
    for port in range(2, 500):
        listening.knock("192.0.2.1", port)
    fresh = listening.site("192.0.2.1", 9999)
    assert not listening.doors[fresh].closed
    assert sum(not door.closed for door in listening.doors.values()) <= 8 + 2


def test_a_connection_that_lost_its_place_during_the_handshake_is_dropped_when_it_ends() -> None:
    listening = Listening(GateLimits(strangers_per_source=1))
    first = listening.knock("198.51.100.1", 1)
    listening.knock("198.51.100.1", 2)
    late = Door()
    listening.admission.opened(first, late)
    assert late.closed
    listening.admission.authenticated(first, "north")
    assert listening.gone == [first], "it is not counted as its site's"


def test_the_networks_of_a_crowd_are_named_once_and_not_without_end() -> None:
    listening = Listening(GateLimits(strangers=4, strangers_per_source=2))
    for port in range(3000):
        listening.knock(f"198.{port % 100}.0.1", port)
    said = [event.detail for event in listening.events]
    assert len(said) == len(set(said)) == 21
    assert any("198.0.0.0/24" in line for line in said)
    assert any("further networks" in line for line in said)
