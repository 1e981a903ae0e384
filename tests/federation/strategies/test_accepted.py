"""A plan's strategy as one installation has it: refused in plain words where it is missing, or is another."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest
import torch

from tests.engine.training.fakes import tiny_study
from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, Parameters, builtin_and_plugins
from wardround.federation.strategies.earlier import ENTRY_POINT_GROUP, StrategyPart
from wardround.federation.strategies.fedavg import FedAvg
from wardround.federation.strategies.fedprox import FedProx
from wardround.federation.strategies.named import StrategyUse, strategy_of
from wardround.federation.strategies.protocol import (
    Arrays,
    Contribution,
    Folded,
    Incoming,
    Sent,
    SiteHalf,
    Sites,
    Strategy,
)
from wardround.federation.strategies.registry import strategies
from wardround.federation.strategies.scaffold import Scaffold
from wardround.federation.strategies.sharing import Sharing
from wardround.federation.strategy_terms import StrategyTerms

NETWORK = torch.nn.Linear(2, 1)
ALONE = Sites(("north",))


def terms(name: str, **parameters: object) -> StrategyTerms:
    """As a plan states them."""
    return StrategyTerms.model_validate({"name": name, "parameters": parameters})


def test_what_a_plan_states_is_what_is_built() -> None:
    built = strategy_of(terms("fedprox", mu=0.25))
    assert isinstance(built, FedProx)
    assert built.mu == 0.25
    assert type(strategy_of(terms("fedavg"))) is FedAvg
    assert isinstance(strategy_of(terms("scaffold")), Scaffold)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        (terms("fedproxy", mu=0.25), "unknown strategy 'fedproxy'"),
        (terms("fedprox", mu=-1.0), "number from 0"),
        (terms("fedprox", mu=0.1, nu=0.1), "unknown key 'nu'"),
        (terms("fedprox"), r"other parameters at this installation.*fedprox \(mu 0.01\)"),
        (terms("fedavg", mu=0.1), "unknown key 'mu'"),
    ],
)
def test_what_is_not_installed_as_the_plan_states_it_is_refused(stated: StrategyTerms, said: str) -> None:
    with pytest.raises(InputError, match=said) as raised:
        strategy_of(stated, "plan 0123, strategy")
    problem = raised.value.problems[0]
    assert problem.where == "plan 0123, strategy"
    assert problem.remedy


def bad(how: str) -> Strategy:
    """The strategy of an installed package, which fails in this way."""
    return strategy_of(terms("bad_strategy", how=how))


def half(how: str) -> SiteHalf:
    """Its half at a site."""
    return bad(how).at_site(Incoming({}, {}, ()), NETWORK)


FAILING: dict[str, Callable[[], object]] = {
    "constructor": lambda: bad("constructor"),
    "sharing": lambda: bad("sharing").sharing,
    "no_sharing": lambda: bad("no_sharing").sharing,
    "begin": lambda: bad("begin").begin({}, {}, ALONE),
    "add": lambda: bad("add").begin({}, {}, ALONE).add(Contribution("north", 3, 3, 5, 0.5, {})),
    "finish": lambda: bad("finish").begin({}, {}, ALONE).finish(),
    "at_site": lambda: half("at_site"),
    "loss_term": lambda: half("loss_term").loss_term(NETWORK),
    "a number in the loss": lambda: half("number").loss_term(NETWORK),
    "a vector in the loss": lambda: half("vector").loss_term(NETWORK),
    "before_update": lambda: half("before_update").before_update(NETWORK),
    "after_step": lambda: half("after_step").after_step(NETWORK),
    "at_the_end": lambda: half("at_the_end").finish(NETWORK),
    "a list at the end": lambda: half("list").finish(NETWORK),
    "a tensor that is no array": lambda: half("tensor").finish(NETWORK),
    "a number that is a text": lambda: half("text").finish(NETWORK),
}


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("play", FAILING.values(), ids=FAILING)
def test_a_package_that_fails_in_either_half_or_gives_what_it_may_not_is_named(play: Callable[[], object]) -> None:
    with pytest.raises(InputError, match=r"my-parts 0\.3\.1"):
        play()


@pytest.mark.usefixtures("package")
def test_a_package_that_does_not_fail_is_not_blamed() -> None:
    sound = half("well")
    assert sound.loss_term(NETWORK) is None
    sound.before_update(NETWORK)
    sound.after_step(NETWORK)
    assert sound.finish(NETWORK) == Sent()


class Nothing(Parameters):
    """No parameters."""


class Summing:
    """A strategy as release 0.2.0 had them, with its fold in one."""

    def __init__(self, parameters: Nothing) -> None:
        self.seen: list[tuple[Arrays, int]] = []

    def begin(self, base: Arrays, state: Arrays) -> Summing:
        """Start."""
        return self

    def add(self, update: Arrays, weight: int) -> None:
        """Note."""
        self.seen.append((update, weight))

    def finish(self) -> Folded:
        """The last one."""
        return Folded(self.seen[-1][0], {})


SUMMING = StrategyPart("summing", Nothing, f"{__name__}:Summing")


def test_a_package_of_the_release_before_goes_on_folding_and_shares_weights_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [EntryPoint("summing", f"{__name__}:SUMMING", ENTRY_POINT_GROUP)]
    with monkeypatch.context() as patch:
        patch.setattr("wardround.federation.strategies.earlier.entry_points", lambda group: found)
        strategies.cache_clear()
        strategy = StrategyUse.of(terms("summing")).build()
    strategies.cache_clear()
    builtin_and_plugins.cache_clear()
    assert strategy.sharing == Sharing()
    assert strategy.flaws(tiny_study()) == ()
    fold = strategy.begin({}, {}, ALONE)
    fold.add(Contribution("north", 3, 5, 4, None, {}))
    assert fold.finish() == Folded({}, {})


@pytest.mark.parametrize(
    ("optimizer", "fits"),
    [
        ({"name": "sgd"}, True),
        ({"name": "sgd", "weight_decay": 0.1}, True),
        ({"name": "sgd", "momentum": 0.9}, False),
        ({"name": "adamw"}, False),
    ],
)
def test_scaffold_wants_plain_sgd_and_says_so(optimizer: dict[str, object], fits: bool) -> None:
    flaws = strategy_of(terms("scaffold")).flaws(tiny_study(training={"optimizer": optimizer}))
    assert not flaws if fits else "sgd" in flaws[0].expected
    assert strategy_of(terms("fedprox", mu=0.1)).flaws(tiny_study(training={"optimizer": optimizer})) == ()


def test_every_built_in_strategy_is_a_row_with_words() -> None:
    names = strategies().names(Kind.STRATEGY)
    assert set(names) >= {"fedavg", "fedprox", "scaffold"}
    for name in names:
        use = StrategyUse(name=name, parameters=strategies().find(Kind.STRATEGY, name).parameters())
        assert strategy_of(use.terms).sharing.down[0].what
