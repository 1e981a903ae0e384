"""What a site tells of its training cases: only what the study asks, of enough cases, and each question once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.asking import ask, ready, refusal, until
from tests.site_client.support import STUDY, FakeEngine, Site, base_model, build_site, working_site
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import (
    AskHistogram,
    AskMoments,
    AskOctaves,
    CohortSummary,
    PartSummary,
    Range,
    Request,
)
from wardround.engine.summaries import Octaves
from wardround.federation.declared import UndeclaredError
from wardround.federation.event_log import read_entries
from wardround.federation.protocol import Done, Missing, RefusalCode, Refused, Stage, Task, task_key
from wardround.federation.surveyed import request_from_bytes
from wardround.site_client.agreement.account import Account
from wardround.site_client.courier.contribution import Contribution
from wardround.site_client.events import Event, Role, describe, log_path
from wardround.site_client.setup.acceptance import describe_offer, open_offer

CT = STUDY.replace(
    "[{z_normalize: {within: nonzero}}]", "[{cohort_clip: {within: foreground}}, {cohort_normalize: {within: all}}]"
)
VOXELS = tuple(np.arange(20, dtype=np.float32) * (case + 1) for case in range(6))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site", study=CT)


def engine_with(**settings: object) -> FakeEngine:
    """An engine with the voxels of six training cases."""
    return FakeEngine(**{"voxels": VOXELS, **settings})  # type: ignore[arg-type]


def first_request(site: Site) -> Request:
    """What is asked first."""
    found = Fitting(site.agreement.study).next_request(())
    assert isinstance(found, Request)
    return found


def question(site: Site, request: Request, cohort: str, exchange: int = 1, **changes: object) -> Task:
    """A task of a survey."""
    task = site.task(Stage.SURVEY, 0, canonical_model(request), cohort)
    return task.model_copy(update={"exchange": exchange, **changes})


def fitted(site: Site) -> FittedState:
    """What one hospital with these cases finds."""
    fitting, answers = Fitting(site.agreement.study), list[CohortSummary]()
    while isinstance(outcome := fitting.next_request(answers), Request):
        answers.append(FakeEngine(voxels=VOXELS).summarise(outcome))
    return outcome


def test_all_questions_are_answered_each_once_and_a_round_of_training_follows(site: Site) -> None:
    engine, fitting, answers = engine_with(), Fitting(site.agreement.study), list[CohortSummary]()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        while isinstance(outcome := fitting.next_request(answers), Request):
            task, content = question(site, outcome, cohort, len(answers) + 1), canonical_model(outcome)
            assert isinstance(ask(site, courier, task)[0], Missing)
            done = until(site, courier, task, content, Done)
            assert isinstance(done, Done)
            again, payload = ask(site, courier, task.model_copy(update={"ask": "e" * 32}))
            assert again == done
            assert payload == b""
            assert done.metrics == {}
            assert done.summary is not None
            answers.append(done.summary)
        base = base_model()
        task = site.task(Stage.TRAIN, 1, base, cohort).model_copy(update={"fitted": outcome})
        task = task.model_copy(update={"work_key": task_key(task, cohort)})
        done = until(site, courier, task, base, Done)
    assert outcome == fitted(site)
    asked = [call for call in engine.calls if call.startswith("summarise")]
    assert asked == ["summarise octaves", "summarise histogram", "summarise moments"]
    assert f"prepare {outcome.digest[:8]}" in engine.calls
    assert isinstance(done, Done)
    assert done.update is not None
    tally = Account(site.settings.work / "account", site.agreement.plan).tally()
    assert (tally.works, tally.extra, tally.steps) == (4, 0, 4)
    pieces = Contribution(site.settings.work, site.agreement.plan.digest).pieces()
    assert [piece.left for piece in pieces[:3]] == [("statistics of training cases",)] * 3
    assert site.events(Role.WORKER).count("cases_surveyed") == 3


def test_statistics_of_fewer_cases_than_the_policy_wants_stay(site: Site) -> None:
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace("minimum_train_cases: 2", "minimum_train_cases: 4"))
    few = tuple(case if number < 3 else case[:0] for number, case in enumerate(VOXELS))
    with working_site(site, engine_with(voxels=few)) as courier:
        request = first_request(site)
        task = question(site, request, ready(site, courier).cohort)
        refused = until(site, courier, task, canonical_model(request), Refused)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.COHORT_TOO_SMALL
    assert not (site.settings.work / "outbox" / str(task.work_key)).exists()


def _with_moments(request: Request) -> Request:
    return request.model_copy(update={"ask": AskMoments()})


def _with_window(request: Request) -> Request:
    return request.model_copy(update={"ask": _bins(4096, 0, 1)})


def _bins(bins: int, low: float, high: float) -> AskHistogram:
    return AskHistogram(ranges=(Range(low=low, high=high),), bins=bins)


OTHERS: dict[str, tuple[Callable[[Request], Request], int]] = {
    "another kind": (_with_moments, 1),
    "a histogram at once": (_with_window, 1),
    "other voxels": (lambda request: request.model_copy(update={"within": "nonzero"}), 1),
    "fewer bins": (lambda request: request.model_copy(update={"ask": _bins(2, 0, 1)}), 2),
    "a lens": (lambda request: request.model_copy(update={"ask": _bins(4096, 113.5, 114.3)}), 2),
    "another step": (lambda request: request.model_copy(update={"place": 1}), 1),
    "numbers to predict": (lambda request: request.model_copy(update={"place": None}), 1),
    "the first once more": (lambda request: request, 2),
    "one too many": (lambda request: request, 4),
    "two channels": (lambda request: request.model_copy(update={"parts": 2}), 1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_study_does_not_ask_is_refused_before_any_case_is_opened(site: Site, name: str) -> None:
    change, exchange = OTHERS[name]
    engine = engine_with()
    with working_site(site, engine) as courier:
        request = change(first_request(site))
        task = question(site, request, ready(site, courier).cohort, exchange)
        refused = until(site, courier, task, canonical_model(request), Refused)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.BEYOND_AGREEMENT
    assert not [call for call in engine.calls if call.startswith("summarise")]


def test_each_question_is_answered_in_one_wording_and_before_training_alone(site: Site) -> None:
    with working_site(site, engine_with()) as courier:
        cohort, asked = ready(site, courier).cohort, first_request(site)
        until(site, courier, question(site, asked, cohort), canonical_model(asked), Done)
        for end, expected in ((8.0, Done), (8.0, Done), (16.0, Refused)):
            other = asked.model_copy(update={"ask": _bins(4096, 0, end)})
            reply = until(site, courier, question(site, other, cohort, 2), canonical_model(other), expected)
        assert isinstance(reply, Refused)
        assert reply.code is RefusalCode.BEYOND_AGREEMENT
        base = base_model()
        task = site.task(Stage.TRAIN, 1, base, cohort).model_copy(update={"fitted": fitted(site)})
        task = task.model_copy(update={"work_key": task_key(task, cohort)})
        until(site, courier, task, base, Done)
        late = asked.model_copy(
            update={"place": 1, "ask": AskMoments(), "state": fitted(site).before(1), "within": "all"}
        )
        task = question(site, late, cohort, 3)
        assert refusal(site, courier, site.sealed(task, canonical_model(late))) is RefusalCode.BEYOND_AGREEMENT


def test_what_is_longer_than_any_question_is_not_read(site: Site) -> None:
    content = b'{"place":0' + b" " * 2**20 + b"}"
    with working_site(site, engine_with()) as courier:
        task = site.task(Stage.SURVEY, 0, content, ready(site, courier).cohort)
        assert refusal(site, courier, site.sealed(task, content)) is RefusalCode.BEYOND_AGREEMENT
    assert not list((site.settings.work / "tasks").glob("*"))
    with pytest.raises(UndeclaredError, match="longer"):
        request_from_bytes(content)


@pytest.mark.parametrize("stage", [Stage.TRAIN, Stage.EVALUATE])
def test_a_round_has_one_exchange(site: Site, stage: Stage) -> None:
    base = base_model()
    with working_site(site, engine_with()) as courier:
        cohort = ready(site, courier).cohort
        task = site.task(stage, 1, base, cohort).model_copy(update={"fitted": fitted(site), "exchange": 2})
        task = task.model_copy(update={"work_key": task_key(task, cohort)})
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.BEYOND_AGREEMENT


def _state(**changes: object) -> dict[str, object]:
    return {"cases": 6, "steps": [], "truth": [], "format": 1} | changes


WINDOW, SCALE = {"kind": "window", "low": 0.0, "high": 1.0}, {"kind": "scale", "mean": 0.0, "deviation": 1.0}
ABSURD = {
    "a scale for a window": ({"place": 0, "channels": [SCALE]}, {"place": 1, "channels": [SCALE]}),
    "two windows": ({"place": 0, "channels": [WINDOW, WINDOW]}, {"place": 1, "channels": [SCALE]}),
    "a window beyond all": ({"place": 0, "channels": [WINDOW | {"high": 1e200}]}, {"place": 1, "channels": [SCALE]}),
    "no spread": ({"place": 0, "channels": [WINDOW]}, {"place": 1, "channels": [SCALE | {"deviation": 5e-324}]}),
}


@pytest.mark.parametrize("name", ABSURD)
def test_a_state_that_no_cases_give_is_refused_before_the_model_is_kept(site: Site, name: str) -> None:
    state, base = FittedState.model_validate_json(json.dumps(_state(steps=ABSURD[name]))), base_model()
    with working_site(site, engine_with()) as courier:
        cohort = ready(site, courier).cohort
        task = site.task(Stage.TRAIN, 1, base, cohort).model_copy(update={"fitted": state})
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.MALFORMED


def test_a_study_that_fits_nothing_is_never_surveyed(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    request = Request(place=0, parts=1, ask=AskOctaves())
    with working_site(site, engine_with()) as courier:
        task = question(site, request, ready(site, courier).cohort)
        code = refusal(site, courier, site.sealed(task, canonical_model(request)))
    assert code is RefusalCode.BEYOND_AGREEMENT


def test_a_survey_amid_training_is_refused(site: Site) -> None:
    request = first_request(site)
    with working_site(site, engine_with()) as courier:
        task = question(site, request, ready(site, courier).cohort, round=2)
        assert refusal(site, courier, site.sealed(task, canonical_model(request))) is RefusalCode.HORIZON_NOT_ACCEPTED


@pytest.mark.parametrize("state", [None, EMPTY])
def test_training_without_what_the_study_fits_is_refused(site: Site, state: FittedState | None) -> None:
    base = base_model()
    with working_site(site, engine_with()) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort).model_copy(update={"fitted": state})
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.MALFORMED


def test_training_with_a_state_that_the_study_does_not_fit_is_refused(tmp_path: Path) -> None:
    plain, other = build_site(tmp_path / "site"), build_site(tmp_path / "other", study=CT)
    base = base_model()
    with working_site(plain, engine_with()) as courier:
        task = plain.task(Stage.TRAIN, 1, base, ready(plain, courier).cohort)
        task = task.model_copy(update={"fitted": fitted(other)})
        assert refusal(plain, courier, plain.sealed(task, base)) is RefusalCode.MALFORMED


def _crowded(summary: CohortSummary) -> CohortSummary:
    part = PartSummary(cases=6, summary=Octaves(counts=(2**60, *[0] * 4095)))
    return summary.model_copy(update={"parts": (part,)})


FORGED: dict[str, Callable[[CohortSummary], CohortSummary]] = {
    "more values than cases have": _crowded,
    "fewer cases": lambda summary: summary.model_copy(update={"cases": 5}),
    "another request": lambda summary: summary.model_copy(update={"request": "0" * 64}),
    "two parts": lambda summary: summary.model_copy(update={"parts": summary.parts * 2}),
}


@pytest.mark.parametrize("name", FORGED)
def test_the_guard_stops_what_is_no_answer_even_if_the_worker_gave_it(site: Site, name: str) -> None:
    with working_site(site, engine_with(forge=FORGED[name])) as courier:
        request = first_request(site)
        task = question(site, request, ready(site, courier).cohort)
        refused = until(site, courier, task, canonical_model(request), Refused)
    assert isinstance(refused, Refused)
    assert refused.code is RefusalCode.REPLY_BLOCKED


def test_whoever_accepts_reads_which_statistics_leave(site: Site, tmp_path: Path) -> None:
    lines = describe_offer(open_offer(site.folder / "invitation.json", site.config))
    place = next(number for number, line in enumerate(lines) if line.startswith("Surveyed"))
    assert "at least 2 stand behind each" in lines[place]
    assert [line.split(":")[0].strip() for line in lines[place + 1 : place + 4]] == [
        "cohort_clip",
        "cohort_clip",
        "cohort_normalize",
    ]
    assert "voxels of classes" in lines[place + 1]
    plain = build_site(tmp_path / "plain")
    assert not [
        line for line in describe_offer(open_offer(plain.folder / "invitation.json", plain.config)) if "urvey" in line
    ]


def test_the_log_says_which_question_was_answered(site: Site) -> None:
    with working_site(site, engine_with()) as courier:
        request = first_request(site)
        task = question(site, request, ready(site, courier).cohort)
        until(site, courier, task, canonical_model(request), Done)
    entries = read_entries(log_path(site.settings.work, Role.WORKER))
    (surveyed,) = (entry for entry in entries if entry.event == Event.CASES_SURVEYED)
    asked = request.ask.words
    assert surveyed.facts["asked"] == asked
    assert describe(surveyed).endswith(f"summarised 6 training cases for the fitting of preprocessing: {asked}")
