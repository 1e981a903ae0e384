"""What preprocessing has to know is asked of all sites before training: the same state as of the pooled cases."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import Weather, summary_of
from tests.aggregator.test_hostile_site import claim, lying
from tests.aggregator.test_resume import SimulatedCrashError, crashing_at
from tests.aggregator.test_undo import config_of
from tests.aggregator.test_undo import silent_outputs as silent_outputs
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.aggregator.rounds.state import ExchangeFolder, StateFolder, SurveyFolder
from wardround.aggregator.showing.status import read_status
from wardround.aggregator.undo import undo_rounds
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.engine.summaries import Moments
from wardround.federation.protocol import CONCLUDE, STOPPED, Continuation, RefusalCode, Stage, task_key

CT = study_of(
    changed(SEGMENTATION, preprocessing=[{"cohort_clip": {"within": "all"}}, {"cohort_normalize": {"within": "all"}}])
)
QUESTIONS = 3
NAMES = ("east", "north", "south")


def voxels_of(site: str, cases: int) -> tuple[np.ndarray, ...]:
    """Hounsfield units of a few cases; each site's scanner has a range of its own."""
    numbers = np.random.default_rng(len(site) + ord(site[0]))
    return tuple(numbers.normal(40 * ord(site[0]), 300, size=50 + 7 * case).astype(np.float32) for case in range(cases))


def surveyed(folder: Path, names: tuple[str, ...] = NAMES, **settings: Any) -> Bench:
    """A bench whose study fits two steps, and whose sites have the voxels of as many cases as they say."""
    bench = Bench(folder, names=names, study=CT, **settings)
    for name, site in bench.sites.items():
        site.voxels = voxels_of(name, site.cases)
    return bench


def pooled(cases: list[np.ndarray]) -> FittedState:
    """What one hospital with all these cases finds."""
    fitting, answers = Fitting(CT), list[CohortSummary]()
    while isinstance(outcome := fitting.next_request(answers), Request):
        answers.append(summary_of(outcome, cases))
    return outcome


def all_cases(bench: Bench, names: tuple[str, ...] | None = None) -> list[np.ndarray]:
    """The cases of these sites in a random order."""
    cases = [case for name in names or bench.names for case in bench.sites[name].voxels]
    random.Random(1).shuffle(cases)
    return cases


def questions(bench: Bench, site: str) -> list[int]:
    """The places of the survey's exchanges that a site was asked, each once."""
    return sorted({task.exchange for task in bench.sites[site].tasks if task.stage is Stage.SURVEY})


def test_sites_together_find_what_their_pooled_cases_give(tmp_path: Path) -> None:
    bench = surveyed(tmp_path)
    assert bench.run().complete
    state = bench.state.fitted()
    assert state == pooled(all_cases(bench))
    assert state.cases == sum(site.cases for site in bench.sites.values())
    assert [len(step.channels) for step in state.steps] == [1, 1]
    assert bench.models() == expected_models(bench)


def test_one_site_finds_what_it_would_find_alone(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, names=("north",))
    assert bench.run().complete
    assert bench.state.fitted() == pooled(list(bench.sites["north"].voxels))


def test_every_task_of_training_brings_the_state_whose_digest_is_in_its_work_key(tmp_path: Path) -> None:
    bench = surveyed(tmp_path)
    assert bench.run().complete
    state = bench.state.fitted()
    for site in bench.sites.values():
        work = [task for task in site.tasks if task.stage in (Stage.TRAIN, Stage.EVALUATE)]
        assert work
        assert all(task.fitted == state and task.exchange == 1 for task in work)
        assert all(task.work_key == task_key(task, site.cohort) for task in site.tasks if task.work_key)
        without = {task_key(task.model_copy(update={"fitted": None}), site.cohort) for task in work}
        assert not without & {task.work_key for task in work}
        assert questions(bench, site.name) == [1, 2, QUESTIONS]
        assert all(task.round == 0 and task.fitted is None for task in site.tasks if task.stage is Stage.SURVEY)


def test_a_study_that_fits_nothing_is_not_surveyed_and_its_tasks_bring_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.run().complete
    assert not bench.state.round(0).folder.exists()
    assert not (tmp_path / "fitted.json").exists()
    assert all(b"fitted" not in path.read_bytes() for path in (tmp_path / "rounds").rglob("order.json"))
    assert {task.stage for site in bench.sites.values() for task in site.tasks} >= {Stage.TRAIN}


def test_a_survey_goes_on_with_the_quorum_and_says_who_is_not_in_it(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, quorum=2, deadline=100.0, away=lambda site, now: site == "south" and now < 1000)
    assert bench.run().complete
    assert bench.state.fitted() == pooled(all_cases(bench, ("east", "north")))
    result = bench.state.survey(1).result()
    assert result is not None
    assert [site.site for site in result.sites] == ["east", "north"]
    assert [absence.site for absence in result.absent] == ["south"]


@pytest.mark.parametrize("seed", range(4))
def test_neither_weather_nor_order_of_arrival_changes_the_state(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    bench = surveyed(
        tmp_path,
        seed=seed,
        rounds=1,
        weather=lambda site, now: Weather(draw.uniform(0.1, 30), arrives=draw.random() > 0.2),
    )
    assert bench.run().complete
    assert bench.state.fitted() == pooled(all_cases(bench))


BOUNDARIES: list[tuple[type, str]] = [
    (ExchangeFolder, "begin"),
    (ExchangeFolder, "decide"),
    (SurveyFolder, "commit"),
    (StateFolder, "keep_fitted"),
]


@pytest.mark.parametrize("question", range(1, QUESTIONS + 1))
@pytest.mark.parametrize(("owner", "step"), BOUNDARIES)
def test_a_crash_at_a_boundary_changes_nothing_and_no_answer_is_computed_twice(
    tmp_path: Path, owner: type, step: str, question: int
) -> None:
    bench, calls = surveyed(tmp_path, rounds=1), 0
    real = getattr(owner, step)

    def guard(*given: object) -> None:
        nonlocal calls
        calls += 1
        if calls == question or step == "keep_fitted":
            raise SimulatedCrashError
        real(*given)

    with mock.patch.object(owner, step, guard), pytest.raises(SimulatedCrashError):
        bench.run()
    assert bench.run().complete
    assert bench.state.fitted() == pooled(all_cases(bench))
    assert bench.models() == expected_models(bench)
    for site in bench.sites.values():
        asked = {task.work_key for task in site.tasks if task.stage is Stage.SURVEY}
        assert len(asked) == QUESTIONS


def test_a_crash_at_any_durable_step_of_the_survey_gives_the_same_files(tmp_path: Path) -> None:
    whole = surveyed(tmp_path / "whole", names=("north", "south"), rounds=1, final=False)
    assert whole.run().complete
    for step in range(1, 60, 3):
        bench = surveyed(tmp_path / f"{step}", names=("north", "south"), rounds=1, final=False)
        with crashing_at(step), pytest.raises(SimulatedCrashError):
            bench.run()
        assert bench.run().complete
        assert bench.state.fitted() == whole.state.fitted()
        assert bench.models() == whole.models()


def test_what_is_damaged_is_made_again_from_the_sites_answers(tmp_path: Path) -> None:
    bench = surveyed(tmp_path / "first", rounds=1)
    crash = mock.patch.object(StateFolder, "keep_fitted", side_effect=SimulatedCrashError)
    with crash, pytest.raises(SimulatedCrashError):
        bench.run()
    survey = [path for path in (bench.folder / "rounds" / "0000").rglob("*") if path.is_file() and path.stat().st_size]
    assert len(survey) > 3 * QUESTIONS
    for path in survey:
        copy = tmp_path / "copy"
        shutil.copytree(bench.folder, copy)
        damaged = copy / path.relative_to(bench.folder)
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 1
        damaged.write_bytes(bytes(content))
        again = surveyed(copy, rounds=1, sites=dict(bench.sites))
        assert again.run().complete, path
        assert again.state.fitted() == pooled(all_cases(bench)), path
        shutil.rmtree(copy)


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 90])
def test_a_damaged_state_is_made_again_from_the_surveys_results(tmp_path: Path, content: bytes) -> None:
    bench = surveyed(tmp_path, rounds=1)
    assert bench.run().complete
    before = bench.state.fitted()
    (tmp_path / "fitted.json").write_bytes(content)
    asked = sum(task.stage is Stage.SURVEY for site in bench.sites.values() for task in site.tasks)
    assert bench.run().complete
    assert bench.state.fitted() == before
    assert sum(task.stage is Stage.SURVEY for site in bench.sites.values() for task in site.tasks) == asked


def test_a_site_of_an_earlier_release_declines_and_is_told_why_before_it_is_asked(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, quorum=2, rounds=1)
    bench.sites["south"].features = (CONCLUDE, STOPPED)
    assert bench.run().complete
    assert not [task for task in bench.sites["south"].tasks if task.stage not in (Stage.HELLO, Stage.CONCLUDE)]
    reasons = [str(entry.facts["reason"]) for entry in bench.journal("site_declined")]
    assert reasons
    assert all("update it" in reason for reason in reasons)


def test_the_end_of_a_survey_that_gives_nothing_to_fit_to_is_said_with_its_cause(tmp_path: Path) -> None:
    bench = surveyed(tmp_path)
    for site in bench.sites.values():
        site.voxels = tuple(np.full(9, 7, np.float32) for _ in site.voxels)
    with pytest.raises(InputError, match="contrast"):
        bench.run()


def test_the_status_says_which_question_is_open(tmp_path: Path) -> None:
    bench = surveyed(tmp_path / "state", rounds=1)
    config = config_of(tmp_path, bench)
    crash = mock.patch.object(SurveyFolder, "commit", side_effect=SimulatedCrashError)
    with crash, pytest.raises(SimulatedCrashError):
        bench.run()
    assert any("question 1 about the sites' training cases" in note for note in read_status(config).notes)
    assert bench.run().complete
    assert not any("question" in note for note in read_status(config).notes)


def test_a_survey_below_the_quorum_stops_the_run_as_a_round_does(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, below_quorum="stop", deadline=50.0, away=lambda site, now: site == "north")
    outcome = bench.run()
    assert not outcome.complete
    assert "north" in outcome.line
    assert not (tmp_path / "rounds" / "0001").exists()


def surveys_asked(bench: Bench) -> int:
    """How often any site was asked a question about its cases."""
    return sum(task.stage is Stage.SURVEY for site in bench.sites.values() for task in site.tasks)


@pytest.mark.usefixtures("silent_outputs")
def test_undoing_the_first_round_keeps_what_was_fitted(tmp_path: Path) -> None:
    bench = surveyed(tmp_path / "state", rounds=2)
    assert bench.run().complete
    before, asked, state = bench.models(), surveys_asked(bench), bench.state.fitted()
    undo_rounds(config_of(tmp_path, bench), 1)
    assert bench.run().complete
    assert (bench.models(), surveys_asked(bench), bench.state.fitted()) == (before, asked, state)
    with pytest.raises(InputError, match="no such round"):
        undo_rounds(config_of(tmp_path, bench), 0)


def test_a_training_that_is_carried_on_keeps_what_was_fitted_and_new_sites_train_with_it(tmp_path: Path) -> None:
    first = surveyed(tmp_path, names=("north", "south"), rounds=1, final=False)
    assert first.run().complete
    state, asked = first.state.fitted(), surveys_asked(first)
    done = first.state.results()
    more = surveyed(tmp_path, names=NAMES, rounds=2, final=False, clock=first.clock, sites=dict(first.sites))
    after = Continuation(plan=first.plan.digest, rounds=1, model=done[-1].model)
    more.plan = more.plan.model_copy(update={"after": after})
    for site in more.sites.values():
        site.plan = more.plan.digest
    first.state.carry_on(more.plan, more.study, more.roster, 1)
    assert more.run().complete
    assert surveys_asked(more) == asked
    assert {task.fitted for task in more.sites["east"].tasks if task.stage is Stage.TRAIN} == {state}


# -- a site that signs what it likes

Part = dict[str, Any]


def in_parts(change: Callable[[Part], object]) -> Callable[[dict[str, Any]], object]:
    """Changes the summary's part."""
    return lambda body: [change(part) for part in body["summary"]["parts"]]


def of_kind(kind: str, **facts: object) -> Callable[[dict[str, Any]], object]:
    """Other facts in summaries of one kind."""

    def change(part: Part) -> None:
        if part["summary"]["kind"] == kind:
            part["summary"].update(facts)

    return in_parts(change)


def far_away(part: Part) -> None:
    """Moments of as many values that lie where no value can, after the step before."""
    if part["summary"]["kind"] == "moments":
        far = np.full(part["summary"]["count"], 1e9)
        part["summary"] = json.loads(canonical_model(Moments.of(far)))


LIES = {
    "no answer": (lambda body: body.pop("summary"), "none where they were"),
    "more cases than said": (lambda body: body["summary"].update(cases=10**6), "statistics of 1000000 cases"),
    "fewer cases than said": (lambda body: body["summary"].update(cases=1), "part 1 is no octaves"),
    "another request": (lambda body: body["summary"].update(request="0" * 64), "another request"),
    "a part too many": (lambda body: body["summary"]["parts"].append(body["summary"]["parts"][0]), "2 parts"),
    "negative cases": (in_parts(lambda part: part.update(cases=-1)), "malformed"),
    "huge cases": (in_parts(lambda part: part.update(cases=10**30)), "part 1 is no octaves"),
    "other bins": (of_kind("octaves", counts=[1]), "malformed"),
    "octaves of more values": (of_kind("octaves", counts=[2**62] + [0] * 4095), "more values"),
    "not a number": (of_kind("histogram", low=float("nan")), "malformed"),
    "infinite": (of_kind("histogram", high=float("inf")), "malformed"),
    "upside down": (of_kind("histogram", low=5.0, high=1.0), "malformed"),
    "beyond what was limited": (in_parts(far_away), "limited to others"),
    "other edges": (of_kind("histogram", low=-12345.0), "part 1 is no histogram"),
    "negative count": (of_kind("histogram", below=-1), "malformed"),
    "huge count": (of_kind("histogram", above=2**62), "more values"),
    "beyond counting": (of_kind("histogram", above=10**4000), "more values"),
    "impossible moments": (of_kind("moments", squares={"numerator": 1, "places": 0}), "malformed"),
    "huge moments": (
        of_kind("moments", total={"numerator": 10**100 + 1, "places": 0}, squares={"numerator": 10**205, "places": 0}),
        "beyond 1e+12",
    ),
    "free text": (in_parts(lambda part: part.update(note="PATIENT 7")), "malformed"),
    "another kind": (in_parts(lambda part: part.update(summary={"kind": "counts", "counts": [1, 2]})), "part 1 is no"),
    "a score beside it": (claim(metrics={"dice": {"value": 0.5, "count": 4}}), "scores beside statistics"),
    "a loss beside it": (claim(loss=0.5), "scores beside statistics"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_forged_answer_is_refused_by_name_and_the_others_go_on(tmp_path: Path, name: str) -> None:
    lie, told = LIES[name]
    bench = surveyed(tmp_path, quorum=2, rounds=1, final=False)
    honest = lying("done", lie)
    site = bench.sites["south"]

    def write(reply: Any) -> bytes:
        is_answer = getattr(reply, "summary", None) is not None
        return honest(reply) if is_answer else lying("nothing", lie)(reply)

    site.write = write
    assert bench.run().complete
    refused = [entry for entry in bench.journal("update_refused") if entry.facts["site"] == "south"]
    assert refused
    assert told in str(refused[0].facts["detail"])
    assert bench.state.fitted().cases >= bench.sites["east"].cases + bench.sites["north"].cases


def test_statistics_that_nobody_asked_for_are_refused(tmp_path: Path) -> None:
    bench, other = Bench(tmp_path, quorum=2, rounds=1), surveyed(tmp_path / "other", rounds=1)
    asked = Fitting(CT).next_request(())
    assert isinstance(asked, Request)
    summary = summary_of(asked, other.sites["south"].voxels).model_dump(mode="json")
    bench.sites["south"].write = lying("done", claim(summary=summary))
    assert bench.run().complete
    details = [str(entry.facts["detail"]) for entry in bench.journal("update_refused")]
    assert details
    assert all("not asked for" in detail for detail in details)


def test_a_site_whose_guard_stops_the_answer_has_declined(tmp_path: Path) -> None:
    bench = surveyed(tmp_path, quorum=2, rounds=1)
    site = bench.sites["south"]
    site.refusals = [RefusalCode.COHORT_TOO_SMALL]
    assert bench.run().complete
    result = bench.state.survey(1).result()
    assert result is not None
    assert [absence.site for absence in result.absent] == ["south"]
    later = bench.state.survey(2).result()
    assert later is not None
    assert "south" in {site.site for site in later.sites}, "it is asked again at the next question"
