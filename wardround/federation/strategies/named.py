"""How a federation names its strategy: `fedavg`, `fedprox: {mu: 0.1}` or `{name: fedprox, mu: 0.1}`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import Kind, Part, answering
from wardround.engine.study.located_problems import Flaw, as_tuples, flawed, flaws_of
from wardround.engine.study.part_names import NamedPart, read_part
from wardround.federation.strategies.earlier import WithoutSiteHalf
from wardround.federation.strategies.foreign import ForeignStrategy
from wardround.federation.strategies.protocol import Strategy
from wardround.federation.strategies.registry import strategies
from wardround.federation.strategy_terms import StrategyTerms


class StrategyUse(NamedPart):
    """A strategy that a federation uses, with typed parameters, defaults filled in."""

    @classmethod
    def of(cls, terms: StrategyTerms) -> StrategyUse:
        """The strategy that a plan states. Raises pydantic's error, which holds all that is wrong with it, where this
        installation has no such strategy, or the strategy no such parameters."""
        written = {"name": terms.name, "parameters": terms.parameters}
        return read_part(strategies().of(Kind.STRATEGY), cls, written)

    @property
    def part(self) -> Part:
        """The registered strategy."""
        return strategies().find(Kind.STRATEGY, self.name)

    @property
    def terms(self) -> StrategyTerms:
        """Name and parameters as the plan that the sites accept states them."""
        values = json.loads(canonical_model(self.parameters))
        return StrategyTerms.model_validate({"name": self.name, "parameters": as_tuples(values)})

    def build(self) -> Strategy:
        """The strategy. Raises `InputError` that names the package whose strategy cannot be had."""
        part = self.part
        made = part.make(self.parameters)
        if not part.package:
            return cast(Strategy, made)
        with answering(part.owner):
            # One that declares nothing was written for release 0.2.0.
            strategy = made if hasattr(made, "sharing") else WithoutSiteHalf(made)
        return ForeignStrategy(part.owner, strategy)


def strategy_of(terms: StrategyTerms, where: str = "") -> Strategy:
    """The strategy that a plan states, as this installation has it.

    Raises:
        InputError: there is none of that name here, or it has other parameters than the plan states; or the package
            that it comes from fails, which it then names.
    """
    try:
        use = StrategyUse.of(terms)
    except ValidationError as error:
        raise InputError(_unusable(flaw, terms, where) for flaw in flaws_of(error, StrategyUse)) from None
    if use.terms != terms:
        raise InputError.one(
            "the plan's strategy has other parameters at this installation",
            where=where,
            got=use.terms.described,
            expected=terms.described,
            remedy=f"Install {use.part.package or 'Wardround'} in the release that the coordinator uses",
        )
    return use.build()


def _unusable(flaw: Flaw, terms: StrategyTerms, where: str) -> Problem:
    return Problem(
        f"the plan's strategy {terms.name!r} cannot be used at this installation: {flaw.what}",
        where,
        flaw.got,
        flaw.expected,
        "Ask the coordinator which package it comes from, and install that in the same release",
    )


def _read(value: Any) -> StrategyUse:
    use = read_part(strategies().of(Kind.STRATEGY), StrategyUse, value)
    try:
        _ = use.terms
    except ValidationError as error:  # a plan could not state these names or values
        raise flawed("strategy", [replace(each, location=()) for each in flaws_of(error, StrategyTerms)]) from None
    return use


StrategyField = Annotated[StrategyUse, BeforeValidator(_read)]
"""How `federation.yaml` names a strategy."""
