"""A hundred sites on one link: all are asked and answer, and the link's threads and memory do not grow with them."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.federation.flower.test_exchange import left_behind
from tests.federation.flower.world import World, question, wait_until
from wardround.federation.envelope import Envelope

SITES = 100
MODEL = os.urandom(2_000_000)


def digest(envelope: Envelope) -> Envelope:
    """Take the model and say little."""
    return Envelope(envelope.body, b"signature", bytes(envelope.payload[:100]))


@pytest.mark.slow
def test_a_hundred_sites_are_asked_and_answer(tmp_path: Path) -> None:
    names = [f"site-{place:03d}" for place in range(SITES)]
    world = World.create(tmp_path, *names)
    with ExitStack() as stack:
        link = stack.enter_context(world.link())
        for name in names:
            stack.enter_context(world.courier(name, link.port, digest))
        state = link._state
        assert state is not None
        wait_until(lambda: all(link.seconds_since_seen(name) is not None for name in names), 120, "all have come")
        with ThreadPoolExecutor(SITES) as pool:
            asked = [pool.submit(link.exchange, name, question(MODEL), 120) for name in names]
            wait_until(lambda: state.num_message_ins() > SITES / 2, 60, "many are asked at once")
            held = sum(len(entry.content) for entry in list(state._objects.store.values()))
            assert held < len(MODEL) / 2, "no copy of the model, whatever the number of sites"
            answers = [one.result() for one in asked]
        assert [answer is not None and answer.payload == MODEL[:100] for answer in answers] == [True] * SITES
        serving = [thread for thread in threading.enumerate() if thread.name.startswith(("asyncio", "wardround-link"))]
        assert len(serving) <= 5 + (os.cpu_count() or 1), "threads of the link do not grow with the sites"
        assert left_behind(link) == (0, 0, 0, 0, 0)
