"""Whatever is wrong in federation.yaml, its coordinator is told in words: what, where, got, expected, remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.offered import offers_that_fail
from tests.support.spoiling import filled, problems_of, unfit_messages
from wardround.aggregator.settings import Evaluation, Federation, Folders, Limits, Updates
from wardround.engine.basics.problems import InputError
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.protocol import Weights

LEAST = {"schema": 1, "federation": "f", "study": "s.yaml", "address": "a.example:1"}
WHOLE: dict[str, Any] = filled(Federation, LEAST | {"horizon": {"rounds": 2, "local_steps": 3}}) | {
    "evaluation": filled(Evaluation, {}),
    "updates": filled(Updates, {}),
    "limits": filled(Limits, {"trusted_proxies": ["10.0.0.1"]}),
    "folders": filled(Folders, {}),
    "weights": filled(Weights, {}),
}
OTHER = WHOLE | {"strategy": {"name": "fedavg"}, "grace": 3.0, "quorum": 2, "deadline": 5.0, "health_port": 3}


@pytest.mark.parametrize("content", [WHOLE, OTHER], ids=["usual", "other"])
def test_a_wrong_value_anywhere_is_told_in_words(content: dict[str, Any]) -> None:
    assert problems_of(Federation, content) == ()
    assert unfit_messages(Federation, content) == []


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("strategy", ["fedavg"], "Write `strategy: fedavg`"),
        ("strategy", {"fedavg": None, "name": None}, "Write `strategy: fedavg`"),
        ("strategy", [{"name": "fedavg"}], "Take the dashes away: `strategy: {name: fedavg}`"),
        ("strategy", 3, "Write for example `strategy: fedavg`"),
        ("deadline", "12 h", "Times are in seconds, and written without the unit; write `deadline: 43200`"),
        ("deadline", "0,5", "Decimals have a point here; write `deadline: 0.5`"),
        ("grace", "1.000,5", "write `grace: 1000.5`"),
        (
            "horizon",
            [{"rounds": 2}, {"local_steps": 3}],
            "Take the dashes away: `horizon: {rounds: 2, local_steps: 3}`",
        ),
        ("schema", 2, "Write `schema: 1`, or, if a later release wrote this file, update Wardround"),
    ],
)
def test_another_form_of_a_value_is_told_as_it_should_be(key: str, value: Any, remedy: str) -> None:
    (problem,) = problems_of(Federation, WHOLE | {key: value})
    assert remedy in problem.remedy


FEDERATION = "schema: 1\nfederation: hippo\nstudy: study.yaml\naddress: localhost:9443\n"
HORIZON = "horizon: {rounds: 2, local_steps: 2}\n"


@pytest.mark.parametrize(
    ("text", "remedies"),
    [
        (
            f"{FEDERATION}rounds: 2\nlocal_steps: 2\n",
            ["They belong to `horizon`; move them there: `horizon: {rounds: 2, local_steps: 2}`"],
        ),
        (f"{FEDERATION}rounds: 2\nhorizon: {{local_steps: 2}}\n", ["`rounds` belongs to `horizon`; move it there"]),
        (
            f"{FEDERATION}{HORIZON}epochs: 10\n",
            [
                "`epochs` belongs to study.yaml, under `training`; take it out here; in a federation `horizon` "
                "says how long is trained"
            ],
        ),
        (
            f"{FEDERATION}{HORIZON}minimum_train_cases: 5\ndevice: cpu\nlearning_rate: 0.1\n",
            [
                "`minimum_train_cases` belongs to each hospital's policy.yaml; take it out here",
                "`device` belongs to each hospital's site.yaml; take it out here",
                "`learning_rate` belongs to study.yaml; take it out here",
            ],
        ),
        (f"{FEDERATION}{HORIZON}name: hippo\n", ["Did you mean 'federation'?"]),
        (
            f"{FEDERATION}{HORIZON}test: false\n",
            ["`test` belongs to `evaluation`; move it there: `evaluation: {test: false}`"],
        ),
    ],
)
def test_a_key_in_the_wrong_section_or_file_is_told_where_it_belongs(text: str, remedies: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        validate_document(Federation, parse_document(text, Path("federation.yaml")))
    assert [problem.remedy for problem in caught.value.problems] == remedies


@pytest.mark.parametrize("content", [WHOLE, OTHER], ids=["usual", "other"])
def test_every_line_that_is_offered_may_stand_there(content: dict[str, Any]) -> None:
    assert offers_that_fail(Federation, content) == []
