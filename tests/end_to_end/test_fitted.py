"""Preprocessing that is fitted to all sites' cases: as a local run fits it, and whatever is killed on the way."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
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
from tests.engine.experiments.test_regression import glow_cohort_of
from wardround.aggregator.journal import Event as Journal
from wardround.engine.basics.files import read_checked
from wardround.engine.experiments import Workbench, load_model
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.study import load_study
from wardround.site_client.events import Event

_RESNET = "model: {name: resnet, dimensions: 2, depth: 10, filters: 4, stem: small, norm: group}"
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


NUMBERS = STUDY.replace("task: segmentation", "task: regression").replace("classes: {inner: 1, outer: 2}\n", "")
NUMBERS = NUMBERS.replace("model: {name: unet, dimensions: 2, filters: 4, levels: 2, norm: instance}", _RESNET)
NUMBERS = NUMBERS.replace("dice_ce", "huber").replace("[dice], select: dice", "[mae, pearson], select: mae")


@pytest.mark.slow
def test_sites_scale_numbers_to_predict_by_all_training_cases_together(federation_of: Copy, tmp_path: Path) -> None:
    template = Template.prepare(tmp_path / "two", sites=("north", "south"), text=NUMBERS, cohort=glow_cohort_of)
    federation = federation_of(template)
    federation.start()
    federation.finish()
    state, study = state_of(federation), load_study(template.study)
    benches = [
        Workbench.open(study, manifest, tmp_path / name, device="cpu", threads=1)
        for name, manifest in template.manifests.items()
    ]
    numbers = [case.numbers[0] for bench in benches for case in bench.train_cases]
    (scale,) = state.truth
    assert state.cases == len(numbers)
    assert (scale.mean, scale.deviation) == pytest.approx((np.mean(numbers), np.std(numbers)), rel=1e-12)
    assert len({bench.state.truth for bench in benches} | {state.truth}) == 3, "no site's own scale is that of both"
    model = load_model(federation.lab.last_model, device="cpu")
    assert model.state == state
    scores = json.loads((federation.lab.last_model / "metrics.json").read_bytes())
    assert "mae" in json.dumps(scores)
    page = next(federation.lab.folder.rglob("report.html")).read_text()
    assert "<span>mae of the best model" in page
    assert "validation mae by round" in page


def test_one_site_learns_numbers_as_a_local_run_does(federation_of: Copy, tmp_path: Path) -> None:
    template = Template.prepare(tmp_path / "one", sites=("north",), text=NUMBERS, cohort=glow_cohort_of)
    federation = federation_of(template)
    federation.start()
    found = federation.finish()
    local_run(template, tmp_path / "run").finish()
    model = tmp_path / "run" / "fold-0" / "model"
    assert weights_digest(model / "last.safetensors") == found
    assert load_model(model, device="cpu").state == state_of(federation)


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
