"""The listener under attack: crowds of strangers, silent or slow, while a hospital does its work."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import ssl
import threading
import time
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.federation.flower.world import FLEET, World, echo, question, wait_until
from wardround.federation.flower.link.admission import GateLimits
from wardround.federation.flower.node.probe import client_context

NETWORKS = ("127.0.1.1", "127.0.2.1", "127.0.3.1", "127.0.4.1")
CROWD = 40
Attack = Callable[[World, socket.socket], socket.socket]


def silent(_world: World, raw: socket.socket) -> socket.socket:
    return raw


def half_a_handshake(_world: World, raw: socket.socket) -> socket.socket:
    raw.sendall(bytes.fromhex("160301020001"))
    return raw


def encrypted(world: World, raw: socket.socket) -> ssl.SSLSocket:
    return client_context(world.ca).wrap_socket(raw, server_hostname="127.0.0.1")


def half_a_head(world: World, raw: socket.socket) -> socket.socket:
    wrapped = encrypted(world, raw)
    wrapped.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\n".encode())
    return wrapped


def half_a_body(world: World, raw: socket.socket) -> socket.socket:
    wrapped = encrypted(world, raw)
    wrapped.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nab".encode())
    return wrapped


class Crowd:
    """Connections from four networks that are opened again as soon as they are dropped, until told to stop."""

    def __init__(self, world: World, port: int, attack: Attack) -> None:
        self._world, self._port, self._attack = world, port, attack
        self._stop = threading.Event()
        self.opened = 0

    def run(self, source: str) -> None:
        held: list[socket.socket] = []
        while not self._stop.is_set():
            while len(held) < CROWD and not self._stop.is_set():
                with contextlib.suppress(OSError):
                    raw = socket.create_connection(("127.0.0.1", self._port), 5, source_address=(source, 0))
                    held.append(self._attack(self._world, raw))
                    self.opened += 1
            held = [connection for connection in held if not dropped(connection)]
            self._stop.wait(0.05)
        for connection in held:
            connection.close()

    @contextmanager
    def attacking(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.run, args=(source,), daemon=True) for source in NETWORKS]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(10)


def dropped(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


@pytest.mark.parametrize("attack", [silent, half_a_handshake, half_a_head, half_a_body])
def test_a_hospital_comes_and_works_while_four_addresses_fill_the_door(world: World, attack: Attack) -> None:
    with world.link() as link:
        crowd = Crowd(world, link.port, attack)
        with crowd.attacking():
            wait_until(lambda: crowd.opened > 3 * CROWD, 20, "the attack is under way")
            with world.courier("north", link.port):
                assert link.exchange("north", question(b"x" * 100_000), 20) == echo(question(b"x" * 100_000))
                assert link.exchange("north", question(), 20) == echo(question())
            if attack is not half_a_body:  # those are turned away at once and make no crowd
                wait_until(lambda: world.said(None, "limited", "127.0.1.0/24"), 10, "the network is named")
        assert len(link._admission._strangers) <= GateLimits().strangers
    said = [event.detail for event in world.link_events if event.kind == "limited"]
    assert len(said) == len(set(said)), "one line for a network, not one for a connection"


def test_a_handshake_has_three_seconds_and_a_first_request_five() -> None:
    limits = GateLimits()
    assert (limits.handshake_seconds, limits.first_request_seconds) == (3.0, 5.0)


def test_a_stranger_whose_place_is_taken_is_cut_off_at_once(world: World) -> None:
    limits = GateLimits(strangers_per_source=2)
    with world.link(limits=limits) as link, contextlib.ExitStack() as stack:
        raw = [
            stack.enter_context(socket.create_connection(("127.0.0.1", link.port), 5, source_address=("127.0.9.9", 0)))
            for _ in range(3)
        ]
        raw[0].settimeout(1.5)
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert raw[0].recv(1) == b""
        assert time.monotonic() - started < 1.0
        assert not dropped(raw[1])


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_a_machine_without_room_for_a_connection_drops_strangers_and_stays_open_for_a_hospital(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    """As long as four silent strangers are there, nobody else can be accepted."""
    full, accept = 4, BaseSelectorEventLoop.sock_accept

    with world.link() as link:

        async def scarce(loop: BaseSelectorEventLoop, listening: socket.socket) -> object:
            if len(link._admission._strangers) >= full:
                raise OSError(number, os.strerror(number))
            return await accept(loop, listening)

        monkeypatch.setattr(BaseSelectorEventLoop, "sock_accept", scarce)
        crowd = [socket.create_connection(("127.0.0.1", link.port), 5) for _ in range(20)]
        with world.courier("north", link.port):
            assert link.exchange("north", question(), 20) == echo(question())
        for connection in crowd:
            connection.close()
    assert world.said(None, "limited", f"could not be accepted: {os.strerror(number)}")
    assert len(world.link_events) < 10, "one line, not one for each time"
    assert not caplog.records


def test_a_peer_that_goes_before_it_is_accepted_is_no_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    accept, gone = BaseSelectorEventLoop.sock_accept, [3]

    async def aborted(loop: BaseSelectorEventLoop, listening: socket.socket) -> object:
        gone[0] -= 1
        if gone[0] >= 0:
            raise ConnectionAbortedError(errno.ECONNABORTED, "gone")
        return await accept(loop, listening)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_accept", aborted)
    with world.link() as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) == echo(question())
    assert gone[0] < 0
    assert not any(event.kind == "limited" for event in world.link_events)


def test_the_link_may_open_more_files_than_a_process_has_by_default(world: World) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        with world.link():
            now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert now == (8192 if hard == resource.RLIM_INFINITY else min(8192, hard))


def test_a_hospital_on_ipv6_works_beside_a_crowd_of_its_own_kind(world: World) -> None:
    """Addresses of one /64 count as one; here they are all ::1, which a site has shown to be its own."""
    limits = GateLimits(strangers_per_source=4, returning_per_address=4)
    with world.link(limits=limits, host="::1") as link, world.courier("north", link.port, host="[::1]"):
        assert link.exchange("north", question(), 20) == echo(question())
        crowd = [socket.create_connection(("::1", link.port), 5) for _ in range(20)]
        assert link.exchange("north", question(b"y"), 20) == echo(question(b"y"))
        for connection in crowd:
            connection.close()
