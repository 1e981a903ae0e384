"""Strategies: what a plan says of them, and packages whose strategies cannot be had."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from tests.support.hostile import HOSTILE
from wardround.aggregator.settings import Federation
from wardround.aggregator.strategies.registry import StrategyPart  # where packages of 0.2.0 have it from
from wardround.engine.basics.problems import InputError
from wardround.engine.parts import STUDY_KINDS, Kind, Parameters, Part, builtin_and_plugins
from wardround.engine.parts.builtin import ENTRY_POINT_GROUP as PARTS_GROUP
from wardround.engine.study.documents import parse_document, validate_document
from wardround.federation.protocol import Plan
from wardround.federation.strategies.earlier import ENTRY_POINT_GROUP as EARLIER_GROUP
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.registry import strategies
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
    shorthand: ClassVar[str | None] = "mu"


def make(parameters: Proximal) -> FedAvg:
    """A strategy that is one."""
    return FedAvg(FedAvgParameters())


PROXIMAL = (Part(Kind.STRATEGY, "proximal", Proximal, f"{__name__}:make"),)
EARLIER = StrategyPart("proximal", Proximal, f"{__name__}:make")
GONE = (Part(Kind.STRATEGY, "gone", Proximal, "no.such.package:make"),)
AS_A_BUILTIN = (Part(Kind.STRATEGY, "fedavg", Proximal, f"{__name__}:make"),)
NO_PART = 3
GROUPS = {PARTS_GROUP: "PROXIMAL", EARLIER_GROUP: "EARLIER"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Says which foreign strategies there are, by group, name and value of their entry points."""

    def forget() -> None:
        builtin_and_plugins.cache_clear()
        strategies.cache_clear()

    def install(in_group: str = PARTS_GROUP, **entries: str) -> None:
        found = [EntryPoint(name, value, in_group) for name, value in entries.items()]
        for module in ("engine.parts.builtin", "federation.strategies.earlier"):
            monkeypatch.setattr(f"wardround.{module}.entry_points", lambda group: found if group == in_group else [])
        forget()

    yield install
    monkeypatch.undo()
    forget()


def federation(strategy: str) -> Federation:
    text = (
        "schema: 1\nfederation: trial\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        f"horizon: {{rounds: 3, local_steps: 4}}\nstrategy: {strategy}\n"
    )
    return validate_document(Federation, parse_document(text, Path("federation.yaml")))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "value", ["no.such.package:PART", f"{__name__}:NO_SUCH", f"{__name__}:NO_PART", "not an entry point"]
)
def test_a_strategy_that_cannot_be_loaded_ends_only_the_federation_that_names_it(
    installed: Any, value: str, group: str
) -> None:
    installed(group, broken=value, proximal=f"{__name__}:{GROUPS[group]}")
    assert str(federation("fedavg").strategy.terms) == "fedavg"
    assert isinstance(federation("fedavg").strategy.build(), FedAvg)
    assert federation("{name: proximal, mu: 0.5}").strategy.name == "proximal"
    with pytest.raises(InputError, match="installed package") as raised:
        federation("broken")
    assert "federation.yaml:6" in str(raised.value)
    assert len(raised.value.problems) == 1
    # A federation that names what nobody has is told of the package, which may be the one that has it.
    with pytest.raises(InputError, match=r"unknown strategy 'proxima'.*Did you mean 'proximal'") as raised:
        federation("proxima")
    assert len(raised.value.problems) == 2


def test_a_name_that_two_packages_claim_ends_only_the_federation_that_uses_it(installed: Any) -> None:
    installed(one=f"{__name__}:PROXIMAL", two=f"{__name__}:PROXIMAL")
    assert federation("fedavg").strategy.name == "fedavg"
    with pytest.raises(InputError, match="2 parts of kind strategy are called 'proximal'"):
        federation("proximal")


def test_a_package_cannot_take_the_name_of_a_builtin_strategy(installed: Any) -> None:
    installed(one=f"{__name__}:AS_A_BUILTIN")
    with pytest.raises(InputError, match=r"2 parts of kind strategy are called 'fedavg'.*one of Wardround itself"):
        federation("fedavg")


@pytest.mark.parametrize(
    "written", ["{name: proximal, mu: 0.5}", "{proximal: {mu: 0.5}}", "{proximal: 0.5}", "\n  proximal: {mu: 0.5}"]
)
@pytest.mark.parametrize("group", GROUPS)
def test_a_strategy_is_named_as_a_part_of_a_study_is(installed: Any, written: str, group: str) -> None:
    installed(group, proximal=f"{__name__}:{GROUPS[group]}")
    use = federation(written).strategy
    assert use == StrategyUse(name="proximal", parameters=Proximal(mu=0.5))
    assert StrategyUse.of(use.terms) == use
    assert use.build() is not None


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{name: proximal, mu: high}", "strategy.mu"),
        ("{name: proximal, nu: 0.5}", "unknown key 'nu'"),
        ("{proximal: {mu: 0.5}, kind: plain}", r"Write `strategy: {name: proximal, mu: 0.5, kind: plain}`"),
        ("dice_ce", "`dice_ce` is of the kind loss"),
        ("[proximal, fedavg]", "Only one can stand here"),
    ],
)
def test_a_strategy_that_is_written_wrongly_is_told_with_what_is_right(installed: Any, written: str, said: str) -> None:
    installed(proximal=f"{__name__}:PROXIMAL")
    with pytest.raises(InputError, match=said):
        federation(written)


def test_terms_that_this_installation_does_not_know_are_refused(installed: Any) -> None:
    installed(proximal=f"{__name__}:PROXIMAL")
    for name, parameters in (("absent", {}), ("proximal", {"nu": 1}), ("proximal", {"mu": "high"})):
        with pytest.raises(ValidationError):
            StrategyUse.of(StrategyTerms.model_validate({"name": name, "parameters": parameters}))


def test_a_study_is_not_concerned_with_strategies(installed: Any) -> None:
    installed(proximal=f"{__name__}:PROXIMAL")
    assert {part.kind for part in builtin_and_plugins().parts(*STUDY_KINDS)} == {*STUDY_KINDS}
    assert builtin_and_plugins().names(Kind.STRATEGY) == ("proximal",)
    assert strategies().names(Kind.STRATEGY) == ("fedavg", "fedprox", "proximal", "scaffold")


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
