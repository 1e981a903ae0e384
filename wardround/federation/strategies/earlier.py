"""Strategies of packages that were written for release 0.2.0, each of which is an entry point of its own."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.parts import Kind, Parameters, Part
from wardround.engine.parts.installed import rows_of
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Folded, Sites

ENTRY_POINT_GROUP = "wardround.strategies"


@dataclass(frozen=True)
class StrategyPart:
    """A strategy as release 0.2.0 registered it, in the entry point group `wardround.strategies`.

    Attributes:
        name: its name in a federation file.
        parameters: the type of its parameters.
        implementation: `module:attribute`, called with the parameters; gives a `Strategy`.
    """

    name: str
    parameters: type[Parameters]
    implementation: str
    package: str = ""


class EarlierFold(Protocol):
    """One round's aggregation, as release 0.2.0 had it."""

    def add(self, update: Arrays, weight: int) -> None:
        """Take in one site's arrays with its weight."""

    def finish(self) -> Folded:
        """The result."""


class EarlierStrategy(Protocol):
    """What release 0.2.0 asked of a strategy: it had no half at the sites, and declared nothing."""

    def begin(self, base: Arrays, state: Arrays) -> EarlierFold:
        """Start to fold a round."""


class WithoutSiteHalf(FedAvg):
    """A strategy that was written for release 0.2.0: weights go down and up, and sites train as their study says."""

    def __init__(self, strategy: EarlierStrategy) -> None:
        super().__init__(FedAvgParameters())
        self._strategy = strategy

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Start to fold a round."""
        return _Adapted(self._strategy.begin(base, state))


class _Adapted:
    def __init__(self, fold: EarlierFold) -> None:
        self._fold = fold

    def add(self, contribution: Contribution) -> None:
        """Take in one site's arrays with its weight."""
        self._fold.add(contribution.arrays, contribution.weight)

    def finish(self) -> Folded:
        """The result."""
        return self._fold.finish()


def earlier_plugins() -> tuple[tuple[Part, ...], tuple[Problem, ...]]:
    """The rows of such packages, and what is wrong with those whose strategy cannot be had."""
    rows, broken = list[Part](), Findings()
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        with broken.gather():
            rows.extend(rows_of(entry, _row))
    return tuple(rows), tuple(broken.problems)


def _row(entry: EntryPoint, loaded: object) -> tuple[Part, ...]:
    if not isinstance(loaded, StrategyPart):
        raise InputError.one(
            "an installed package's strategy is none",
            got=type(loaded).__name__,
            expected="a StrategyPart",
            remedy="Repair, update or uninstall the package",
        )
    return (Part(Kind.STRATEGY, loaded.name, loaded.parameters, loaded.implementation),)
