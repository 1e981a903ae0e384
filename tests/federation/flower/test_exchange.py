"""Messages go to sites and answers come back, bit for bit, with nothing left behind."""

from __future__ import annotations

import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import Link


def left_behind(link: Link) -> tuple[int, int, int, int, int]:
    """What Flower's state and ours still hold of finished exchanges."""
    state = link._state
    assert state is not None
    store = state.object_store
    return (
        len(store),  # type: ignore[arg-type]
        state.num_message_ins(),
        state.num_message_res(),
        len(state._object_push_sessions),
        len(state._attempts),
    )


@pytest.mark.parametrize("size", [0, 1_000, 10_000_000])
def test_an_exchange_returns_the_answer_bit_for_bit(world: World, size: int) -> None:
    payload = os.urandom(size)
    with world.link() as link, world.courier("north", link.port):
        answer = link.exchange("north", question(payload), 20)
        assert answer == Envelope(b'{"ask":1}!', b"signature", payload[::-1])
        assert left_behind(link) == (0, 0, 0, 0, 0)


def test_three_sites_answer_at_the_same_time(three: World) -> None:
    payload = os.urandom(3_000_000)
    with three.link() as link, ThreadPoolExecutor(3) as pool:
        with three.courier("north", link.port), three.courier("south", link.port), three.courier("west", link.port):
            jobs = [pool.submit(link.exchange, site, question(payload), 30) for site in three.keys for _ in range(1)]
            answers = [job.result() for job in jobs]
        assert [answer.payload if answer else None for answer in answers] == [payload[::-1]] * 3
        assert left_behind(link) == (0, 0, 0, 0, 0)


def test_many_exchanges_leave_nothing_behind(world: World) -> None:
    payload = os.urandom(300_000)
    process = psutil.Process()
    with world.link() as link, world.courier("north", link.port):
        sizes = []
        for count in range(100):
            assert link.exchange("north", question(payload), 20) is not None
            if count in (33, 99):
                gc.collect()
                sizes.append(process.memory_info().rss)
        assert left_behind(link) == (0, 0, 0, 0, 0)
    assert sizes[1] - sizes[0] < 10_000_000, f"66 exchanges of 0.3 MB grew the process by {sizes[1] - sizes[0]} bytes"


def test_an_exchange_with_an_absent_site_ends_in_time_and_withdraws_its_message(world: World) -> None:
    with world.link() as link:
        started = time.monotonic()
        assert link.exchange("north", question(b"x" * 1000), 1.0) is None
        assert time.monotonic() - started < 1.5
        assert left_behind(link) == (0, 0, 0, 0, 0)
        assert link.seconds_since_seen("north") is None
        with world.courier("north", link.port):
            assert link.exchange("north", question(), 10) is not None
            assert (link.seconds_since_seen("north") or 99.0) < 2.0


def test_an_answer_that_comes_too_late_is_refused_and_the_next_exchange_works(world: World) -> None:
    release = threading.Event()

    def slow_once(envelope: Envelope) -> Envelope:
        release.wait(5)
        return echo(envelope)

    with world.link() as link, world.courier("north", link.port, slow_once):
        assert link.exchange("north", question(), 1.0) is None
        release.set()
        wait_until(lambda: "refused" in world.node_kinds("north"), 5, "the late answer is refused")
        assert link.exchange("north", question(b"again"), 10) == echo(question(b"again"))
        assert left_behind(link) == (0, 0, 0, 0, 0)


def test_unknown_sites_and_closed_links_are_errors_of_the_caller(world: World) -> None:
    link = world.link()
    with pytest.raises(RuntimeError, match="not open"):
        link.exchange("north", question(), 1)
    with link, pytest.raises(KeyError):
        link.exchange("nowhere", question(), 1)


def test_closing_the_link_ends_an_exchange_that_waits(world: World) -> None:
    with ThreadPoolExecutor(1) as pool:
        with world.link() as link:
            job = pool.submit(link.exchange, "north", question(), 60)
            time.sleep(0.3)
        assert job.result(timeout=5) is None


def test_presence_is_reported(world: World) -> None:
    with world.link() as link:
        with world.courier("north", link.port):
            wait_until(lambda: world.said("north", "online", "authenticated"), 5, "online")
        wait_until(lambda: world.said("north", "offline", "signed off"), 5, "offline")
        time.sleep(0.2)
        assert [event.kind for event in world.link_events] == ["online", "offline"]
