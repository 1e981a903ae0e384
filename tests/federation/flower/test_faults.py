"""Whatever the network and the processes do, the courier comes back and an exchange that is repeated succeeds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from tests.support.proxy import FaultProxy
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import Link
from wardround.federation.flower.paths import FLEET_PATHS

PAYLOAD = b"weights" * 100_000


@contextmanager
def proxied(world: World, link: Link) -> Iterator[FaultProxy]:
    files = world.certificates
    with FaultProxy(link.port, ca=files.ca, certificate=files.certificate, key=files.key) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("path", "status"),
    [(path, 500) for path in sorted(FLEET_PATHS - {"/v1/fleet/deactivate-node"})]
    + [("/v1/fleet/activate-node", 401), ("/v1/fleet/pull-messages", 401), ("/v1/fleet/push-object", 401)],
)
def test_one_error_on_any_path_is_survived(world: World, path: str, status: int) -> None:
    with world.link() as link, proxied(world, link) as proxy:
        proxy.fail_once(path, status)
        with world.courier("north", proxy.port):
            answer = link.exchange("north", question(PAYLOAD), 20)
            assert answer == echo(question(PAYLOAD))
            wait_until(lambda: proxy.injected[path] == 1, 8, "the error was injected")
            wait_until(lambda: "disconnected" in world.node_kinds("north"), 8, "the courier noticed")
            assert link.exchange("north", question(), 20) is not None


def test_signing_off_may_fail(world: World) -> None:
    with world.link() as link, proxied(world, link) as proxy:
        proxy.fail_once("/v1/fleet/deactivate-node", 500)
        with world.courier("north", proxy.port):
            assert link.exchange("north", question(), 20) is not None
        assert proxy.injected["/v1/fleet/deactivate-node"] == 1


def test_a_cut_line_is_survived_within_one_exchange(world: World) -> None:
    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port):
        assert link.exchange("north", question(), 20) is not None
        proxy.cut()
        healing = threading.Timer(2.0, proxy.heal)
        healing.start()
        assert link.exchange("north", question(PAYLOAD), 20) == echo(question(PAYLOAD))
        healing.join()


def test_a_line_that_dies_silently_is_survived(world: World) -> None:
    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port):
        assert link.exchange("north", question(), 20) is not None
        wait_until(lambda: "sent" in world.node_kinds("north"), 5, "the courier is idle")
        proxy.stall()
        wait_until(lambda: "disconnected" in world.node_kinds("north"), 15, "the courier noticed")
        proxy.cut()
        proxy.heal()
        assert link.exchange("north", question(PAYLOAD), 20) == echo(question(PAYLOAD))


def test_a_slow_line_is_no_fault(world: World) -> None:
    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port):
        proxy.delay = 0.2
        assert link.exchange("north", question(PAYLOAD), 20) == echo(question(PAYLOAD))
        assert "disconnected" not in world.node_kinds("north")


def test_the_aggregator_may_restart(world: World) -> None:
    with world.link() as link:
        port = link.port
        with world.courier("north", port):
            assert link.exchange("north", question(), 20) is not None
            link.__exit__(None, None, None)
            time.sleep(1.0)
            with world.link(port) as again:
                assert again.exchange("north", question(PAYLOAD), 20) == echo(question(PAYLOAD))


def test_a_courier_killed_between_pull_and_answer_is_repaired_within_the_same_exchange(world: World) -> None:
    with world.link() as link:
        first = world.courier_process("north", link.port)
        try:
            wait_until(lambda: link.seconds_since_seen("north") is not None, 15, "the courier is up")
            killing = threading.Timer(1.0, first.kill)
            killing.start()
            waiting = _Asking(link, Envelope(b"slow", b"signature", PAYLOAD))
            killing.join()
            first.wait(10)
            killed = time.monotonic()
            second = world.courier_process("north", link.port)
            try:
                assert waiting.answer(40) == echo(Envelope(b"slow", b"signature", PAYLOAD))
                assert time.monotonic() - killed < 25, "a killed courier must work again within 25 s"
            finally:
                second.kill()
                second.wait(10)
        finally:
            first.kill()
            first.wait(10)


def test_a_failing_handler_sends_no_text_and_does_not_end_the_courier(world: World) -> None:
    failed = threading.Event()

    def fail_once(envelope: Envelope) -> Envelope:
        if not failed.is_set():
            failed.set()
            raise ValueError("patient Jane Roe, bed 7")
        return echo(envelope)

    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port, fail_once):
        assert link.exchange("north", question(), 1.5) is None
        assert proxy.requests["/v1/fleet/push-messages"] == 0, "nothing at all is sent for a failed handler"
        assert link.exchange("north", question(), 10) is not None
    assert "Jane" not in repr(world.node_events) + repr(world.link_events)


def test_a_foreign_bundle_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    handled = threading.Event()

    def note(envelope: Envelope) -> Envelope:
        handled.set()
        return envelope

    monkeypatch.setattr("wardround.federation.flower.link.link_state.stub_bundle", lambda: b"PK\x03\x04 anything else")
    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port, note):
        assert link.exchange("north", question(), 1.5) is None
        assert "foreign_bundle" in world.node_kinds("north")
        assert proxy.requests["/v1/fleet/pull-object"] == 0, "no content of a foreign run is fetched"
    assert not handled.is_set()


class _Asking:
    """An exchange that waits in a thread."""

    def __init__(self, link: Link, envelope: Envelope) -> None:
        self._answer: Envelope | None = None
        self._thread = threading.Thread(target=self._ask, args=(link, envelope))
        self._thread.start()

    def _ask(self, link: Link, envelope: Envelope) -> None:
        self._answer = link.exchange("north", envelope, 40)

    def answer(self, seconds: float) -> Envelope | None:
        self._thread.join(seconds)
        return self._answer
