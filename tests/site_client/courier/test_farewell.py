"""What stays at the hospital: the federation's model, and a report of what it took part in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.site_client.support import ROUNDS, FakeEngine, Site, base_model, build_site, courier_of, working_site
from tests.site_client.test_round import ask, ready, until
from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.experiments.models import load_model, write_weights
from wardround.engine.networks import build_network
from wardround.engine.preprocessing.fitted import FittedState, Scale
from wardround.engine.preprocessing.requests import CohortSummary, PartSummary
from wardround.engine.summaries import Moments
from wardround.engine.training.weights import copy_weights
from wardround.federation.endings import EndReason
from wardround.federation.envelope import Envelope
from wardround.federation.event_log import read_entries
from wardround.federation.identities import fingerprint
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Done, Stage, Task
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.courier import kept_model
from wardround.site_client.courier.contribution import Contribution
from wardround.site_client.courier.guard import Outgoing
from wardround.site_client.courier.handler import Courier
from wardround.site_client.courier.kept_model import KeptModel, header_of, weights_file
from wardround.site_client.courier.own_report import write_own_report
from wardround.site_client.events import Event, Role, log_path

FITTED = FittedState(cases=3, truth=(Scale(mean=1.0, deviation=2.0),))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _end(site: Site, reason: EndReason = EndReason.COMPLETE, rounds: int = ROUNDS) -> Task:
    return site.hello().model_copy(update={"stage": Stage.CONCLUDE, "round": rounds, "end": reason})


def _trained(site: Site, courier: Courier) -> Task:
    """The last round, done; its task."""
    task = site.task(Stage.TRAIN, ROUNDS, base_model(), ready(site, courier).cohort)
    until(site, courier, task, base_model(), Done)
    return task


def _scored(site: Site, courier: Courier) -> None:
    """The last round and the final evaluation, done."""
    task, model = _trained(site, courier), base_model(2)
    final = site.task(Stage.EVALUATE, ROUNDS + 1, model, FakeEngine().cohort.digest, accepted=task.work_key)
    until(site, courier, final, model, Done)


def _data(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.settings.work / "report.json").read_text()))


def test_what_is_written_by_hand_is_what_the_engine_writes(tmp_path: Path) -> None:
    study = study_of(SEGMENTATION)
    weights = copy_weights(build_network(study))
    write_weights(tmp_path / "engine.safetensors", study, weights, 7)
    arrays = {name: tensor.numpy() for name, tensor in weights.items()}
    assert weights_file(arrays, header_of(study, 7)) == (tmp_path / "engine.safetensors").read_bytes()


def test_the_model_loads_as_any_other(site: Site) -> None:
    study, agreement = site.agreement.study, site.agreement
    weights = copy_weights(build_network(study))
    packed = pack({f"model/{name}": tensor.numpy() for name, tensor in weights.items()})
    kept = KeptModel(site.settings.work)
    assert kept.keep(agreement, payload_digest(packed), ROUNDS, packed)
    assert not kept.keep(agreement, payload_digest(packed), ROUNDS, packed)
    model = load_model(kept.folder, device="cpu")
    assert model.study == study
    assert all(torch.equal(tensor, weights[name]) for name, tensor in copy_weights(model.network).items())


def test_after_a_complete_run_the_final_model_is_here(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        _scored(site, courier)
        ask(site, courier, _end(site))
    work, card = site.settings.work, KeptModel(site.settings.work).card()
    assert card is not None
    assert (card.round, card.model) == (ROUNDS, payload_digest(base_model(2)))
    assert [list((work / name).iterdir()) for name in ("tasks", "outbox")] == [[], []]


def test_it_is_kept_before_the_end_is_told_which_may_never_be(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        _scored(site, courier)
    card = KeptModel(site.settings.work).card()
    assert card is not None
    assert card.model == payload_digest(base_model(2))


def test_without_a_final_evaluation_the_newest_that_came_stays_and_the_report_says_which(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        _trained(site, courier)
        ask(site, courier, _end(site))
    card = KeptModel(site.settings.work).card()
    assert card is not None
    assert (card.round, card.model) == (ROUNDS - 1, payload_digest(base_model()))
    assert f"It is not that of the last round, {ROUNDS}" in (site.settings.work / "report.html").read_text()


@pytest.mark.parametrize("reason", [EndReason.ENDED, EndReason.FAULT])
def test_a_run_that_was_stopped_leaves_its_model_as_well(site: Site, reason: EndReason) -> None:
    with working_site(site, FakeEngine()) as courier:
        _trained(site, courier)
        ask(site, courier, _end(site, reason))
    assert KeptModel(site.settings.work).card() is not None
    assert _data(site)["end"] == reason.value


def test_the_report_says_with_whom_what_for_how_long_and_what_left(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        _scored(site, courier)
        ask(site, courier, _end(site))
        ask(site, courier, _end(site))
    data, page = _data(site), (site.settings.work / "report.html").read_text()
    assert data["coordinator"] == fingerprint(site.invitation.coordinator_key)
    assert data["coordinator"] in page
    assert data["rounds"] == {"of_the_plan": ROUNDS, "trained_here": [ROUNDS]}
    assert data["training_cases"] == 6
    assert set(data["left"]) == {
        "dice",
        "loss",
        "model weights",
        "number of training cases",
        "test.dice",
        "test.loss",
        "training loss",
    }, "`dice.inner` is over one case, and stays"
    assert data["scores"]["before"]["dice.inner"] == {"count": 1, "value": 0.4}
    assert data["scores"]["test"]["dice"]["value"] == 0.5
    assert data["bytes_sent"] > len(base_model())
    assert data["bytes_received"] == 2 * len(base_model())
    assert data["hours"] >= 0
    assert data["model"]["model"] == payload_digest(base_model(2))
    assert "<b>6</b><span>training cases</span>" in page
    assert "dice.inner" in [
        entry.facts.get("names") for entry in read_entries(log_path(site.settings.work, Role.COURIER))
    ]
    _check_page(page, site)
    assert site.events(Role.COURIER).count(Event.REPORT_WRITTEN) == 1


def _check_page(page: str, site: Site) -> None:
    """It says whose page it is, the command that uses the model, and of each number what it is of."""
    assert f"<title>Federation {site.invitation.plan.federation} at {site.settings.name}</title>" in page
    assert (
        f"<code>wardround predict {KeptModel(site.settings.work).folder} --folder images --out predictions</code>"
        in page
    )
    heads = re.findall(r'scope="col">([^<]*)', page)
    assert heads[:6] == ["score", "before", "after", "validation cases", "on test cases", "test cases"]
    assert {"done (UTC)", "time (s)", "sent (MB)", "received (MB)"} <= set(heads)
    assert re.findall("<p>([^<]*)</p>", page[page.index("What left") :])[:3] == [
        "Model weights, number of training cases, training loss.",
        "Scores of all validation cases: dice, loss.",
        "Scores of all test cases: dice, loss.",
    ]
    assert "<td></td>" not in page, "what is not there is a dash"
    assert re.search(rf'this site</td><td><svg class="mark".*?</svg>{site.settings.name}<', page)


def test_a_full_disk_keeps_the_task_until_the_model_can_be_kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with working_site(site, FakeEngine()) as courier:
        monkeypatch.setattr(kept_model, "write_handed", full)
        _scored(site, courier)
        answer, _ = ask(site, courier, _end(site))
    assert answer.type == "concluded"
    assert KeptModel(site.settings.work).card() is None
    assert Event.MODEL_NOT_KEPT in site.events(Role.COURIER)
    monkeypatch.undo()
    courier_of(site).sweep()
    assert KeptModel(site.settings.work).card() is not None
    assert list((site.settings.work / "tasks").iterdir()) == []
    assert _data(site)["model"]["round"] == ROUNDS


def test_a_model_of_another_plan_makes_way(site: Site) -> None:
    kept, agreement = KeptModel(site.settings.work), site.agreement
    longer = agreement.plan.model_copy(update={"fold": 1})
    other = Agreement(agreement.invitation.model_copy(update={"plan": longer}), agreement.study)
    kept.keep(agreement, payload_digest(base_model()), 3, base_model())
    kept.keep(other, payload_digest(base_model(2)), 1, base_model(2))
    aside = site.settings.work / f"model-{agreement.plan.digest[:12]}"
    assert json.loads((aside / "metrics.json").read_text())["model"] == payload_digest(base_model())
    card = kept.card()
    assert card is not None
    assert card.plan == longer.digest
    # The two plans take turns: each time the folder beside holds the other's last model.
    kept.keep(agreement, payload_digest(base_model(3)), 2, base_model(3), FITTED)
    kept.keep(other, payload_digest(base_model(4)), 2, base_model(4))
    assert json.loads((aside / "metrics.json").read_text())["model"] == payload_digest(base_model(3))
    assert (aside / "preprocessing.json").exists()
    assert not (kept.folder / "preprocessing.json").exists()


def test_values_that_a_study_does_not_fit_do_not_stay_beside_its_model(site: Site) -> None:
    kept = KeptModel(site.settings.work)
    kept.keep(site.agreement, payload_digest(base_model()), 1, base_model(), FITTED)
    kept.keep(site.agreement, payload_digest(base_model(2)), 2, base_model(2))
    assert not (kept.folder / "preprocessing.json").exists()


def test_a_half_written_folder_is_no_model(site: Site) -> None:
    kept, model = KeptModel(site.settings.work), base_model()
    kept.keep(site.agreement, payload_digest(model), 1, model)
    (kept.folder / "model.safetensors").unlink()
    assert kept.card() is None
    assert kept.keep(site.agreement, payload_digest(model), 1, model)


def test_the_hospitals_page_tells_all_that_left(site: Site) -> None:
    """Statistics of cases are no scores, and what a strategy sends beside the weights is told in its own words."""
    contribution, task = (
        Contribution(site.settings.work, site.agreement.plan.digest),
        site.task(Stage.TRAIN, 1, b"", "0"),
    )
    result = WorkResult(update="1" * 64, train_cases=9, loss=0.5, metrics={}, seconds=1)
    reply = Done(site="north", work_key="2" * 64, update="1" * 64, train_cases=9, loss=0.5, metrics={}, seconds=1)
    outgoing = Outgoing(reply, b"", (), ("model weights", "the control variate"))
    contribution.add(task, result, outgoing, Envelope(b"", b"", b""), 7)
    summary = CohortSummary(request="3" * 64, cases=9, parts=(PartSummary(cases=9, summary=Moments()),))
    surveyed = reply.model_copy(update={"work_key": "4" * 64, "update": None, "loss": None, "summary": summary})
    early = task.model_copy(update={"stage": Stage.SURVEY, "round": 0})
    contribution.add(early, result, Outgoing(surveyed, b"", ()), Envelope(b"", b"", b""), 7)
    write_own_report(site.settings, site.agreement)
    page = (site.settings.work / "report.html").read_text()
    told = re.sub(r"\s+", " ", page[page.index("What left") :])
    assert "the control variate" in told
    assert "Scores of all validation cases" not in told
    assert "tatistics of training cases" in told
    assert _data(site)["left"] == sorted(
        [
            "model weights",
            "number of training cases",
            "statistics of training cases",
            "the control variate",
            "training loss",
        ]
    )


def test_what_left_is_noted_for_each_piece_of_work(site: Site) -> None:
    """An evaluation has no training loss that could leave."""
    with working_site(site, FakeEngine()) as courier:
        _scored(site, courier)
    trained, scored = Contribution(site.settings.work, site.invitation.plan.digest).pieces()
    assert "training loss" in trained.left
    assert "training loss" not in scored.left
    assert set(scored.left) < set(scored.scores)  # one over a single case stays, by the policy


def test_a_line_that_a_crash_cut_off_costs_that_line_alone(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        _scored(site, courier)
    contribution = Contribution(site.settings.work, site.invitation.plan.digest)
    text = contribution.path.read_text()
    contribution.path.write_text(text[: len(text) * 3 // 4])
    assert [piece.round for piece in contribution.pieces()] == [ROUNDS]


def test_a_report_before_anything_was_done(site: Site) -> None:
    page = write_own_report(site.settings, site.agreement)
    assert page is not None
    assert "none has come" in page.read_text()
    assert np.isclose(_data(site)["hours"], 0)
