"""Rounds of a real run are undone: sites go back with what they carry, and the model is that of a run without it."""

from __future__ import annotations

import re

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Copy, Federation, Template, courier, worker
from tests.end_to_end.holding import hold_in_round
from tests.end_to_end.typed import await_end, coordinator, done, hospital, last_model, refused, run_on, set_policy
from wardround.aggregator.journal import Event as Journal
from wardround.federation.protocol import Horizon, RefusalCode
from wardround.lab.settings_files import change_settings
from wardround.site_client.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]

SITES = ("north", "south")
HORIZON = Horizon(rounds=5, local_steps=8)


@pytest.fixture(scope="module")
def five_rounds(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Two sites that have accepted five rounds of eight steps."""
    return Template.prepare(tmp_path_factory.mktemp("five") / "federation", SITES, HORIZON)


@pytest.fixture(scope="module")
def went_through(five_rounds: Template, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the last model where no round is undone."""
    with five_rounds.copy(tmp_path_factory.mktemp("through") / "federation") as federation:
        federation.start()
        return await_end(federation)


def hold_in_round_four(federation: Federation) -> None:
    """Run until three rounds are committed and north has finished the fourth, at which south was."""
    south = hold_in_round(federation, "south", 4)
    federation.wait_for(AGGREGATOR, Journal.REPLY_STORED, site="north", round=4)
    south.stop()
    assert len(federation.said(AGGREGATOR, Journal.ROUND_COMMITTED)) == 3


def test_two_rounds_are_undone_in_a_run_and_done_again_to_the_same_weights(
    five_rounds: Template, federation_of: Copy, went_through: str
) -> None:
    """Within the usual allowance. North has the reply of the open round still, south was at it."""
    federation = federation_of(five_rounds)
    hold_in_round_four(federation)
    assert "Stop that one first" in refused(coordinator(federation, "undo", "2", "--yes"))
    federation.lab.stop_aggregator()
    foreseen = refused(coordinator(federation, "undo", "2"))
    assert "rounds 2 to 4" in foreseen
    assert "`allowance`" in foreseen
    done(coordinator(federation, "undo", "2", "--yes"))
    assert "1 of 5 rounds" in done(coordinator(federation, "status"))
    federation.lab.start_site("south")
    assert run_on(federation) == went_through
    for site in SITES:
        assert not federation.said(worker(site), Event.STATE_LOST)
        assert "2 of the allowance used" in done(hospital(federation, site, "status"))
    again = [line.facts["round"] for line in federation.said(worker("north"), Event.TASK_CLAIMED)]
    assert again == [1, 2, 3, 4, 2, 3, 5, 6], "the fourth round was not computed again"


def test_a_run_that_has_ended_is_undone_until_an_allowance_is_used_up(
    five_rounds: Template, federation_of: Copy, went_through: str
) -> None:
    """Of the five rounds the last two are undone, and the final evaluation: one more than north allows."""
    federation = federation_of(five_rounds)
    set_policy(federation, "north", allowance=2)
    federation.start()
    assert await_end(federation) == went_through
    assert re.search("Undo from round [34] on", refused(coordinator(federation, "undo", "2", "--yes")))
    assert "no such round" in refused(coordinator(federation, "undo", "7", "--yes"))
    assert "evaluation: {final: false}" in refused(coordinator(federation, "undo", "4"))
    done(coordinator(federation, "undo", "4", "--yes"))
    assert "the run is complete" not in done(coordinator(federation, "status"))

    federation.start_aggregator()
    federation.wait_for(AGGREGATOR, Journal.SITE_DECLINED, site="north", code=RefusalCode.BEYOND_AGREEMENT.value)
    assert "north" in done(coordinator(federation, "status"))
    here = federation.said(courier("north"), Event.TASK_REFUSED, code=RefusalCode.BEYOND_AGREEMENT.value)[0]
    assert "raise `allowance` (2) in policy.yaml" in here.facts["reason"]
    assert "2 of the allowance used" in done(hospital(federation, "north", "status"))
    set_policy(federation, "north", allowance=3)
    assert await_end(federation) == went_through
    for site in SITES:
        assert len(federation.said(courier(site), Event.RUN_COMPLETE)) == 2
        assert "the run is complete" in done(hospital(federation, site, "status"))


def test_rounds_are_undone_twice_and_then_all_of_them(
    five_rounds: Template, federation_of: Copy, went_through: str
) -> None:
    """More than once before the run goes on, and to the very beginning after it has ended."""
    federation = federation_of(five_rounds)
    for site in SITES:
        set_policy(federation, site, allowance=9)
    hold_in_round_four(federation)
    federation.lab.stop_aggregator()
    for number in ("4", "3", "2"):
        done(coordinator(federation, "undo", number, "--yes"))
    federation.lab.start_site("south")
    assert run_on(federation) == went_through
    assert "up to 9 rounds again under this plan, 3 of them" in refused(coordinator(federation, "undo", "1"))
    done(coordinator(federation, "undo", "1", "--yes"))
    assert "0 of 5 rounds" in done(coordinator(federation, "status"))
    assert run_on(federation) == last_model(federation) == went_through


def test_a_last_round_that_gives_another_model_is_concluded_without_the_final_evaluation(
    template: Template, federation_of: Copy
) -> None:
    """West's update is taken out after the end. No site scores its test cases for a second model of the plan."""
    federation = federation_of(template, {"quorum": 2})
    federation.start()
    former = await_end(federation)
    done(coordinator(federation, "revoke", "west"))
    foreseen = refused(coordinator(federation, "undo", "2"))
    assert "test_already_scored" in foreseen
    done(coordinator(federation, "undo", "2", "--yes"))
    federation.start_aggregator()
    for site in SITES:
        code = RefusalCode.TEST_ALREADY_SCORED
        federation.wait_for(AGGREGATOR, Journal.SITE_DECLINED, site=site, code=code.value)
    assert "its test cases were scored already" in done(coordinator(federation, "status"))
    federation.lab.stop_aggregator()
    change_settings(federation.lab.federation_file, {"evaluation": {"final": False}})
    assert run_on(federation) != former
    assert federation.said(AGGREGATOR, Journal.ROUND_COMMITTED)[-1].facts["round"] == 2
    assert "2 of 2 rounds" in done(coordinator(federation, "status"))
    assert "round 3:" not in done(coordinator(federation, "status"))
