"""An enrolled site that signs what it likes: it is refused by name, and the others go on as if it were not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.aggregator.bench import Bench, expected_models
from wardround.engine.basics.canonical import canonical_model
from wardround.federation.declared import MOST_CASES
from wardround.federation.protocol import Checks, Reply

Body = dict[str, Any]
Lie = Callable[[Body], object]


def lying(kind: str, lie: Lie, *stages: str) -> Callable[[Reply], bytes]:
    """Writes a site's replies as they are, apart from those of one kind."""

    def write(reply: Reply) -> bytes:
        body = json.loads(canonical_model(reply))
        if body["type"] != kind or (stages and stage_of(body) not in stages):
            return canonical_model(reply)
        lie(body)
        return json.dumps(body).encode()

    return write


def stage_of(body: Mapping[str, Any]) -> str:
    """Whether a finished reply is of a round of training or of an evaluation."""
    return "train" if body["update"] else "evaluate"


def score(name: str, value: float, count: int = 4) -> Lie:
    """One more metric."""
    return lambda body: body["metrics"].update({name: {"value": value, "count": count}})


def crowd_of(size: int) -> Lie:
    """More metrics than any study has."""
    return lambda body: body["metrics"].update({f"m{number}": {"value": 1e300, "count": 4} for number in range(size)})


def claim(**facts: object) -> Lie:
    """Other facts than the true ones."""
    return lambda body: body.update(facts)


TRAINING = {
    "loss too large": (claim(loss=1.7e308), "the training loss is 1.7e+308"),
    "loss too small": (claim(loss=-1.7e308), "the training loss"),
    "loss not a number": (claim(loss=float("nan")), "malformed"),
    "loss infinite": (claim(loss=float("inf")), "malformed"),
    "dice above one": (score("dice", 1.0000001), "dice is 1"),
    "dice below zero": (score("dice", -0.5), "dice is -0.5"),
    "a class above one": (score("dice.left", 1e300), "dice.left is 1e+300"),
    "validation loss": (score("loss", 1e300), "loss is 1e+300"),
    "other metric": (score("recall", 0.5), "1 metrics that the plan does not declare"),
    "many metrics": (crowd_of(20_000), "malformed: the body is too long"),
    "some metrics": (crowd_of(100), "100 metrics that the plan does not declare"),
    "test too early": (score("test.dice", 0.5, 3), "before the last round"),
    "too many cases": (score("dice", 0.5, 5), "over 5 cases, where the site has 4"),
    "seconds": (claim(seconds=1e308), "time of work"),
    "negative seconds": (claim(seconds=-1), "malformed"),
    "more cases than said": (claim(train_cases=10**9), "1000000000 training cases"),
    "no cases": (claim(train_cases=0), "0 training cases"),
    "beyond counting": (claim(train_cases=10**400), "malformed"),
    "a key too many": (claim(note="PATIENT 7"), "malformed"),
}
EVALUATION = {
    "test dice above one": (score("test.dice", 2.0, 3), "test.dice is 2"),
    "more test cases than said": (score("test.dice", 0.5, 4), "over 4 cases, where the site has 3"),
    "evaluates more than it has": (claim(train_cases=2**53), "training cases"),
}
ANSWERS = {
    ("ready", "training cases"): (claim(train_cases=2**53), "training cases, more than"),
    ("ready", "validation cases"): (claim(validation_cases=MOST_CASES + 1), "validation cases, more than"),
    ("ready", "test cases"): (claim(test_cases=2**53), "test cases, more than"),
    ("ready", "negative cases"): (claim(train_cases=-1), "malformed"),
    ("working", "beyond the last step"): (claim(step=2, steps=1), "step 2 of 1"),
    ("working", "endless steps"): (claim(steps=2**53), "number of steps"),
    ("working", "endless time"): (claim(seconds_left=1e308), "estimate"),
    ("working", "no time"): (claim(seconds_left=float("nan")), "malformed"),
}


def play(folder: Path, write: Callable[[Reply], bytes]) -> Bench:
    """A run of three sites of which `north` lies."""
    bench = Bench(folder, rounds=2, quorum=2)
    bench.sites["north"].write = write
    assert bench.run().complete
    return bench


def check_refused(bench: Bench, said: str, rounds: set[int]) -> None:
    """North is refused by name and for its reason in these rounds, and takes part in the others."""
    refused = bench.journal("update_refused")
    assert {entry.facts["round"] for entry in refused} == rounds
    for entry in refused:
        assert entry.facts["site"] == "north"
        assert said in str(entry.facts["detail"])
        assert "PATIENT" not in str(entry.facts["detail"])
    absent = {number: {"north"} for number in rounds if number <= bench.rounds}
    assert bench.models() == expected_models(bench, absent)
    for result in bench.state.results():
        assert [absence.site for absence in result.absent] == (["north"] if result.round in rounds else [])
        if result.round in rounds:
            assert said in result.absent[0].reason


@pytest.mark.parametrize("name", TRAINING)
def test_a_number_that_the_plan_does_not_declare_is_refused_before_it_is_kept(tmp_path: Path, name: str) -> None:
    lie, said = TRAINING[name]
    bench = play(tmp_path, lying("done", lie, "train"))
    check_refused(bench, said, {1, 2})
    assert not list(tmp_path.glob("rounds/000[12]/inbox/north/reply"))
    assert bench.run().complete


@pytest.mark.parametrize("name", EVALUATION)
def test_the_final_evaluation_is_checked_too(tmp_path: Path, name: str) -> None:
    lie, said = EVALUATION[name]
    check_refused(play(tmp_path, lying("done", lie, "evaluate")), said, {3})


@pytest.mark.parametrize(("kind", "name"), ANSWERS)
def test_what_a_site_says_of_itself_and_of_its_progress_is_checked(tmp_path: Path, kind: str, name: str) -> None:
    lie, said = ANSWERS[kind, name]
    check_refused(play(tmp_path, lying(kind, lie)), said, {1, 2, 3})


def test_test_metrics_of_the_final_evaluation_pass(tmp_path: Path) -> None:
    bench = play(tmp_path, lying("done", score("test.dice", 0.75, 3), "evaluate"))
    check_refused(bench, "", set())
    found = {site.site: site.metrics for site in bench.state.results()[-1].sites}
    assert found["north"]["test.dice"].value == 0.75


def scored_by_plan(folder: Path, checks: Checks) -> Bench:
    """A run of seven rounds whose plan says when models are scored, and whose sites keep to it."""
    bench = Bench(folder, rounds=7, quorum=2)
    bench.plan = bench.plan.model_copy(update={"validation": checks})
    for site in bench.sites.values():
        site.plan, site.scores_in = bench.plan.digest, bench.plan.scores_in
        site.metric = lambda number: number / 10
    return bench


def test_scores_in_a_round_that_is_not_scored_are_refused_and_choose_no_model(tmp_path: Path) -> None:
    """Nobody else would score that model, so the liar's word alone would make it the best one, once and for all."""
    bench = scored_by_plan(tmp_path, Checks(every=3))
    bench.sites["north"].scores_in = lambda number: True
    bench.sites["north"].metric = lambda number: 0.0 if number in (1, 4, 7, 8) else 1.0
    loop = bench.loop()
    assert loop.run().complete
    best = loop.best()
    assert best is not None
    assert (best.round, set(best.sites)) == (7, {"east", "north", "south"})
    check_refused(bench, "1 scores in a round in which the plan has no model scored", {2, 3, 5, 6})


@pytest.mark.parametrize("kind", ["train", "evaluate"])
def test_scores_over_more_cases_than_the_plan_has_scored_are_refused(tmp_path: Path, kind: str) -> None:
    bench = scored_by_plan(tmp_path, Checks(every=1, max_cases=2))
    for name, site in bench.sites.items():
        honest = lying("done", score("dice", 0.5, 2))
        site.write = honest if name != "north" else lying_in(kind, honest)
    assert bench.run().complete
    refused = set(range(1, 8)) if kind == "train" else {8}
    check_refused(bench, "dice over 3 cases, where the site has 2 to score", refused)


def lying_in(stage: str, honest: Callable[[Reply], bytes]) -> Callable[[Reply], bytes]:
    """One case too many in one stage."""

    def write(reply: Reply) -> bytes:
        body = json.loads(honest(reply))
        if body["type"] == "done" and stage_of(body) == stage:
            body["metrics"]["dice"]["count"] = 3
        return json.dumps(body).encode()

    return write
