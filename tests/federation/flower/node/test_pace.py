"""A site that has nothing to do asks seldom, and is reached at once all the same."""

from __future__ import annotations

import itertools
import time

import pytest

from tests.federation.flower.test_faults import proxied
from tests.federation.flower.world import World, echo, question, wait_until
from wardround.federation.flower.link.mail import LONGEST_HOLD
from wardround.federation.flower.link.presence import SILENCE_SECONDS
from wardround.federation.flower.node.pace import Pace
from wardround.federation.flower.node.session import HOLD_SECONDS

POLL = "/v1/fleet/pull-messages"


def polls(pace: Pace, answer_seconds: float, hour: float = 3600.0) -> list[float]:
    """Moments, by a clock that only this function moves, at which an idle site asks within an hour."""
    now, asked = 0.0, []
    while now < hour:
        asked.append(now)
        now += answer_seconds
        now += pace.idle(answer_seconds)
    return asked


def test_an_idle_site_asks_about_every_five_seconds_where_polls_are_held() -> None:
    assert 600 < len(polls(Pace(0.25), HOLD_SECONDS)) <= 720


def test_an_idle_site_slows_down_where_they_are_not() -> None:
    """As with an aggregator of an older release: from four times a second to once in two seconds."""
    moments = polls(Pace(0.25), 0.01)
    assert 1600 < len(moments) < 2000
    gaps = [after - before for before, after in itertools.pairwise(moments)]
    assert gaps[0] < 0.35
    assert max(gaps) < 2.6
    assert len(set(gaps[20:])) == len(gaps[20:]), "no two pauses are the same: sites do not beat together"


def test_a_message_makes_a_site_brisk_again() -> None:
    pace = Pace(0.25)
    polls(pace, 0.01)
    pace.busy()
    assert pace.idle(0.01) < 0.35


def test_a_held_poll_is_heard_of_long_before_a_site_counts_as_silent() -> None:
    assert LONGEST_HOLD + 2.0 < SILENCE_SECONDS / 2


def test_polls_are_held_until_there_is_a_message(world: World) -> None:
    with world.link() as link, proxied(world, link) as proxy, world.courier("north", proxy.port):
        assert link.exchange("north", question(), 20) == echo(question())
        before = proxy.requests[POLL]
        time.sleep(1.5)
        assert proxy.requests[POLL] - before <= 1
        for count in range(5):
            assert link.exchange("north", question(bytes([count])), 20) == echo(question(bytes([count])))
        assert proxy.requests[POLL] - before <= 7, "each message was brought by the poll that waited for it"


def test_a_courier_that_is_told_to_stop_does_not_wait_for_a_held_poll(world: World) -> None:
    with world.link() as link:
        with world.courier("north", link.port):
            wait_until(lambda: "connected" in world.node_kinds("north"), 10, "the courier is up")
            time.sleep(0.3)
            started = time.monotonic()
        assert time.monotonic() - started < HOLD_SECONDS - 1.0
        wait_until(lambda: world.said("north", "offline", "signed off"), 5, "it has signed off")


@pytest.mark.parametrize("value", [b"wait=x", b"wait=-1", b"wait=99999", b"wait=", b"wait", b"respond-async", b""])
def test_a_wish_that_is_not_understood_holds_nothing(value: bytes) -> None:
    from wardround.federation.flower.link.gate import _asked_to_wait

    assert _asked_to_wait({b"prefer": value}) == 0.0
    assert _asked_to_wait({b"prefer": b"wait=5"}) == 5.0
