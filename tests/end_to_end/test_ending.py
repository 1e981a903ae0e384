"""A run that ends before its last round: its sites are told why, wait quietly, and it can be taken up again."""

from __future__ import annotations

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, SITES, Copy, Federation, Template, courier
from tests.end_to_end.holding import hold_in_round, let_go
from tests.end_to_end.typed import coordinator, done, hospital, refused, run_on, set_policy
from wardround.aggregator.journal import Event as Journal
from wardround.engine.cli.runner import ExitCode
from wardround.federation.protocol import RefusalCode
from wardround.site_client.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]


def await_stop(federation: Federation) -> None:
    """Wait until the aggregator has ended without a last model."""
    federation.wait_until(lambda: federation.ended() is not None, "the aggregator ends")
    assert federation.ended() == ExitCode.INCOMPLETE, federation.story()


def know(federation: Federation, words: str, *sites: str) -> None:
    """Each site says that the run has ended, and why: to its staff, and in its log."""
    for site in sites or SITES:
        federation.wait_for(courier(site), Event.RUN_ENDED)
        assert words in done(hospital(federation, site, "status"))
        assert words in done(hospital(federation, site, "log"))


def test_a_run_is_ended_by_its_coordinator_and_taken_up_again(federation: Federation, undisturbed: str) -> None:
    """In the middle of a round, which is kept."""
    hold_in_round(federation, "north", 2)
    assert "--yes" in refused(coordinator(federation, "end"))
    done(coordinator(federation, "end", "--yes"))
    await_stop(federation)
    know(federation, "the coordinator has ended it")
    assert "the coordinator has ended" in done(coordinator(federation, "status"))
    let_go(federation, "north")
    done(coordinator(federation, "reopen"))
    assert run_on(federation) == undisturbed
    for site in SITES:
        assert "the run is complete" in done(hospital(federation, site, "status"))


def test_an_aggregator_that_was_only_stopped_tells_nobody_until_the_run_is_ended(federation: Federation) -> None:
    """Stopped as by Ctrl-C, and then never resumed: `end` tells the sites that are there, and a start the others."""
    hold_in_round(federation, "north", 2)
    federation.lab.stop_aggregator()
    federation.wait_for(courier("south"), Event.DISCONNECTED)
    assert not federation.said(courier("south"), Event.RUN_ENDED)
    federation.lab.stop_site("south")
    coordinator(federation, "end", "--yes")
    know(federation, "the coordinator has ended it", "north", "west")
    assert "not yet: south" in done(coordinator(federation, "status"))
    federation.lab.start_site("south")
    federation.start_aggregator()
    know(federation, "the coordinator has ended it", "south")
    await_stop(federation)


def test_a_run_that_its_rules_have_stopped_says_so_and_goes_on(
    template: Template, federation_of: Copy, undisturbed: str
) -> None:
    federation = federation_of(template, {"on_decline": "stop"})
    set_policy(federation, "west", minimum_train_cases=1000)
    federation.start()
    await_stop(federation)
    know(federation, "a site declined, and by the coordinator's rules that stops it", "north", "south")
    assert federation.said(courier("west"), Event.TASK_REFUSED, code=RefusalCode.COHORT_TOO_SMALL.value)
    assert federation.said(AGGREGATOR, Journal.RUN_STOPPED)
    set_policy(federation, "west", minimum_train_cases=1)
    assert run_on(federation) == undisturbed
