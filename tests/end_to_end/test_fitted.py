"""Preprocessing that is fitted to all sites' cases: as a local run fits it, and whatever is killed on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.end_to_end.federation import (
    AGGREGATOR,
    HORIZON,
    PATIENCE,
    SITES,
    STUDY,
    Copy,
    Federation,
    Party,
    Strike,
    Template,
    courier,
    weights_digest,
    worker,
)
from tests.end_to_end.test_rule_two import local_run
from wardround.aggregator.journal import Event as Journal
from wardround.engine.basics.files import read_checked
from wardround.engine.experiments import load_model
from wardround.engine.preprocessing.fitted import FittedState
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)
FITTING = STUDY.replace(
    "[{z_normalize: {within: all}}]", "[{cohort_clip: {within: foreground}}, {cohort_normalize: {within: all}}]"
)


def state_of(federation: Federation) -> FittedState:
    """What the aggregator keeps."""
    kept = next(federation.lab.folder.rglob("fitted.json"))
    return FittedState.model_validate_json(read_checked(kept))


@pytest.fixture(scope="module")
def lone_fitting(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """One site whose study fits two steps."""
    return Template.prepare(tmp_path_factory.mktemp("one") / "federation", sites=("north",), text=FITTING)


def test_one_site_fits_and_learns_what_a_local_run_does(
    lone_fitting: Template, federation_of: Copy, tmp_path: Path
) -> None:
    federation = federation_of(lone_fitting)
    federation.start()
    found = federation.finish()
    run = tmp_path / "run"
    local_run(lone_fitting, run).finish()
    model = run / "fold-0" / "model"
    assert weights_digest(model / "last.safetensors") == found
    state = state_of(federation)
    assert state == load_model(model, device="cpu").state
    assert not state.is_empty
    assert load_model(federation.lab.last_model, device="cpu").state == state
    kept = next(path.parent for path in federation.lab.folder.rglob("metrics.json") if path.parent.name == "model")
    assert load_model(kept, device="cpu").state == state
    assert json.loads((federation.lab.last_model / "metrics.json").read_bytes())["round"] == HORIZON.rounds


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Three sites whose study fits two steps."""
    return Template.prepare(tmp_path_factory.mktemp("three") / "federation", text=FITTING)


@pytest.fixture(scope="module")
def fitted_undisturbed(fitting: Template, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, FittedState]:
    """The final weights and the state of three sites that nothing disturbs."""
    with fitting.copy(tmp_path_factory.mktemp("undisturbed") / "federation") as federation:
        federation.start()
        return federation.finish(), state_of(federation)


SEEN: tuple[tuple[Party, Event | Journal, int], ...] = (
    (courier("north"), Event.TASK_PULLED, 1),
    (worker("south"), Event.TASK_CLAIMED, 1),
    (worker("west"), Event.CASES_SURVEYED, 1),
    (worker("north"), Event.RESULT_WRITTEN, 2),
    (courier("south"), Event.REPLY_SEALED, 2),
    (courier("west"), Event.OUTBOX_WRITTEN, 3),
    (courier("north"), Event.REPLY_SENT, 3),
    (worker("south"), Event.CHECKPOINT_SAVED, 3),
)
OWN = (
    (Journal.SURVEY_STARTED, 1),
    (Journal.REPLY_STORED, 1),
    (Journal.ROUND_DECIDED, 2),
    (Journal.SURVEY_COMMITTED, 2),
    (Journal.SURVEY_COMMITTED, 3),
    (Journal.FITTED, 1),
    (Journal.ROUND_STARTED, 1),
)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["seer", "aggregator"])
def test_any_process_may_be_killed_at_every_boundary_of_a_survey(
    fitting: Template, federation_of: Copy, fitted_undisturbed: tuple[str, FittedState], victim: str
) -> None:
    federation = federation_of(fitting)
    strikes = [Strike(seer if victim == "seer" else AGGREGATOR, event, nth, seer) for seer, event, nth in SEEN]
    federation.start()
    assert (federation.finish(strikes), state_of(federation)) == fitted_undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(("event", "nth"), OWN)
def test_the_aggregator_may_be_killed_at_each_boundary_of_its_own_survey(
    fitting: Template, federation_of: Copy, fitted_undisturbed: tuple[str, FittedState], event: Journal, nth: int
) -> None:
    federation = federation_of(fitting)
    federation.start()
    assert (federation.finish([Strike(AGGREGATOR, event, nth)]), state_of(federation)) == fitted_undisturbed
    assert len(federation.said(AGGREGATOR, Journal.RUN_RESUMED)) == 1
    assert set(federation.names) == set(SITES)
