"""SIGKILL of any process at any boundary: the federation finishes by itself, with the weights of an undisturbed run."""

from __future__ import annotations

import random
import time

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Federation, Party, Strike, courier, worker
from wardround.aggregator.journal import Event as Journal
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)

# Who sees what, spread over the sites so that each process dies at each boundary of the work within one run.
BOUNDARIES = (
    (courier("north"), Event.MESSAGE_PULLED, 2),
    (worker("south"), Event.TASK_CLAIMED, 1),
    (worker("west"), Event.EVALUATION_DONE, 1),
    (worker("north"), Event.CHECKPOINT_SAVED, 3),
    (worker("south"), Event.RESULT_WRITTEN, 1),
    (courier("west"), Event.REPLY_SEALED, 1),
    (courier("north"), Event.OUTBOX_WRITTEN, 1),
    (courier("south"), Event.REPLY_SENT, 1),
    (courier("west"), Event.TASK_PULLED, 2),
    (worker("north"), Event.TASK_CLAIMED, 3),
    (worker("south"), Event.CHECKPOINT_SAVED, 30),
)
OWN = (
    Journal.ROUND_STARTED,
    Journal.TASK_SENT,
    Journal.REPLY_STORED,
    Journal.ROUND_DECIDED,
    Journal.MODEL_WRITTEN,
    Journal.ROUND_COMMITTED,
)


def test_each_process_may_be_killed_while_it_is_at_work(federation: Federation, undisturbed: str) -> None:
    strikes = (
        Strike(worker("north"), Event.CHECKPOINT_SAVED, nth=3),
        Strike(courier("south"), Event.REPLY_SENT),
        Strike(AGGREGATOR, Journal.REPLY_STORED),
    )
    federation.start()
    assert federation.finish(strikes) == undisturbed
    assert len(federation.said(AGGREGATOR, Journal.RUN_RESUMED)) == 1
    assert len(federation.said(worker("north"), Event.STARTED)) == 2
    assert len(federation.said(courier("south"), Event.STARTED)) == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["worker", "courier"])
def test_a_sites_process_may_be_killed_at_every_boundary(federation: Federation, undisturbed: str, kind: str) -> None:
    killed = {"worker": worker, "courier": courier}[kind]
    strikes = [Strike(killed(str(seer.site)), event, nth, seer) for seer, event, nth in BOUNDARIES]
    federation.start()
    assert federation.finish(strikes) == undisturbed


@pytest.mark.slow
def test_the_aggregator_may_be_killed_at_every_boundary_of_the_sites(federation: Federation, undisturbed: str) -> None:
    strikes = [Strike(AGGREGATOR, event, nth, seer) for seer, event, nth in BOUNDARIES]
    federation.start()
    assert federation.finish(strikes) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("event", OWN)
def test_the_aggregator_may_be_killed_at_each_boundary_of_its_own(
    federation: Federation, undisturbed: str, event: Journal
) -> None:
    federation.start()
    assert federation.finish([Strike(AGGREGATOR, event)]) == undisturbed
    assert len(federation.said(AGGREGATOR, Journal.RUN_RESUMED)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_processes_may_be_killed_at_random_moments(federation: Federation, undisturbed: str, seed: int) -> None:
    """Three kills per run: any processes, at moments of any phase."""
    rng = random.Random(seed)
    parties: list[Party] = [AGGREGATOR, *(role(name) for name in federation.names for role in (courier, worker))]
    federation.start()
    federation.wait_for(AGGREGATOR, Journal.LISTENING)
    for victim in rng.sample(parties, 3):
        if federation.ended(rng.uniform(0.0, 6.0)) is not None:
            break
        federation.kill(victim)
        time.sleep(rng.uniform(0.0, 2.0))
    assert federation.finish() == undisturbed
