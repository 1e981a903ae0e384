"""Strategies: what a plan says of them, and packages whose strategies cannot be had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.hostile import HOSTILE
from wardround.aggregator.settings import Federation
from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Parameters
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.protocol import Plan
from wardround.federation.strategies import registry
from wardround.federation.strategies.fedavg import FedAvg
from wardround.federation.strategies.registry import ENTRY_POINT_GROUP, StrategyPart
from wardround.federation.strategy_terms import StrategyTerms

PLAN = {
    "federation": "trial",
    "study": "0" * 64,
    "roster": "1" * 64,
    "horizon": {"rounds": 3, "local_steps": 4},
}


class Proximal(Parameters):
    """Parameters of a foreign strategy."""

    mu: float = 0.1
    clip: bool = True
    kind: str = "plain"
    bounds: tuple[int, ...] = (1, 2)


PROXIMAL = StrategyPart("proximal", Proximal, f"{__name__}:make")
BUILTIN_NAME = StrategyPart("fedavg", Proximal, f"{__name__}:make")
GONE = StrategyPart("gone", Proximal, "no.such.package:make")
NO_PART = 3


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Says which foreign strategies there are, by name and value of their entry points."""

    def install(**entries: str) -> None:
        found = [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in entries.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == ENTRY_POINT_GROUP else [])
        registry._installed.cache_clear()

    yield install
    monkeypatch.undo()
    registry._installed.cache_clear()


def federation(strategy: str) -> Federation:
    text = (
        "schema: 1\nfederation: trial\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        f"horizon: {{rounds: 3, local_steps: 4}}\nstrategy: {strategy}\n"
    )
    return validate_document(Federation, parse_document(text, Path("federation.yaml")))


@pytest.mark.parametrize(
    "value", ["no.such.package:PART", f"{__name__}:NO_SUCH", f"{__name__}:NO_PART", "not an entry point"]
)
def test_a_strategy_that_cannot_be_loaded_ends_only_the_federation_that_names_it(installed: Any, value: str) -> None:
    installed(broken=value, proximal=f"{__name__}:PROXIMAL")
    assert str(federation("fedavg").strategy.terms) == "fedavg"
    assert isinstance(federation("fedavg").strategy.build(), FedAvg)
    assert federation("{name: proximal, mu: 0.5}").strategy.name == "proximal"
    with pytest.raises(InputError, match="installed package's strategy") as raised:
        federation("broken")
    assert "federation.yaml:6" in str(raised.value)
    # A federation that names what nobody has is told of the package, which may be the one that has it.
    with pytest.raises(InputError, match=r"unknown strategy 'proxima'.*Did you mean 'proximal'") as raised:
        federation("proxima")
    assert len(raised.value.problems) == 2


def test_a_name_that_two_packages_claim_ends_only_the_federation_that_uses_it(installed: Any) -> None:
    installed(one=f"{__name__}:PROXIMAL", two=f"{__name__}:PROXIMAL")
    assert federation("fedavg").strategy.name == "fedavg"
    with pytest.raises(InputError, match="two strategies are called 'proximal'"):
        federation("proximal")


def test_an_implementation_that_is_gone_is_an_input_error(installed: Any) -> None:
    installed(gone=f"{__name__}:GONE")
    with pytest.raises(InputError, match="'gone', of the package with the entry point 'gone', fails"):
        federation("gone").strategy.build()


def test_the_plan_states_name_and_parameters(installed: Any) -> None:
    installed(proximal=f"{__name__}:PROXIMAL")
    terms = federation("{name: proximal, mu: 0.5}").strategy.terms
    assert terms.parameters == {"mu": 0.5, "clip": True, "kind": "plain", "bounds": (1, 2)}
    plan = Plan.model_validate(PLAN | {"strategy": terms})
    assert plan.model_dump(mode="json")["strategy"] == ('proximal {"bounds":[1,2],"clip":true,"kind":"plain","mu":0.5}')
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    assert terms.described == 'proximal (bounds [1, 2], clip true, kind "plain", mu 0.5)'


def test_a_parameter_that_a_plan_cannot_state_is_refused_in_the_federation_file(installed: Any) -> None:
    installed(proximal=f"{__name__}:PROXIMAL")
    with pytest.raises(InputError, match=r"federation\.yaml"):
        federation('{name: proximal, kind: "plain\\u202etext"}')


@pytest.mark.parametrize("label", ["fedavg", "FedProx", 'fedprox {"mu":0.1}', 'x {"a":{"b":[1,2.5]},"c":null}'])
def test_a_plan_of_the_first_release_is_read_and_keeps_its_digest(label: str) -> None:
    plan = Plan.model_validate(PLAN | {"strategy": label})
    assert plan.model_dump(mode="json")["strategy"] == label
    assert str(plan.strategy) == label


@pytest.mark.parametrize(
    "label",
    [
        "",
        " fedavg",
        "fedavg ",
        "fedavg {}",
        'fedavg {"b":1,"a":1}',
        'fedavg {"a": 1}',
        'fedavg {"a":1,"a":2}',
        'fedavg {"a":NaN}',
        'fedavg {"a":1e999}',
        'fedavg {"a":-Infinity}',
        'fedavg {"a":[[1]]}',
        'fedavg {"a":"\\u001b[2J"}',
        'fedavg {"\\n":1}',
        "fedavg [1]",
        "fedavg 3",
        "fedavg " + "[" * 100_000,
        'fedavg {"a":' + "9" * 5000 + "}",
        'fedavg {"a":"' + "x" * 65 + '"}',
        "<b>fedavg</b>",
        "[bold]fedavg[/]",
        *(f"fedavg{character}" for character in HOSTILE),
        *(f"fedavg{character}x" for character in HOSTILE),
        *(f'fedavg {{"a":"x{character}"}}' for character in HOSTILE),
        *(f'fedavg {{"a{character}":1}}' for character in HOSTILE),
        *(f'fedavg{character}{{"a":1}}' for character in HOSTILE),
    ],
)
def test_no_other_text_is_a_strategy(label: str) -> None:
    with pytest.raises(ValidationError):
        Plan.model_validate(PLAN | {"strategy": label})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "a\x1b", "", b"bytes", [["deep"]], {"a": {"b": 1}}])
def test_terms_hold_numbers_words_and_switches_only(value: Any) -> None:
    with pytest.raises(ValidationError):
        StrategyTerms.model_validate({"name": "x", "parameters": {"a": value}})
