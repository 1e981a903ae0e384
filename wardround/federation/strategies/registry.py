"""Strategies by name, with typed parameters; plug-ins join by the entry point group `wardround.strategies`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from wardround.engine.basics.blame import release_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import Owner, Parameters, answering
from wardround.engine.study.expectations import flow
from wardround.engine.study.located_problems import Flaw, as_tuples, flawed, flaws_of, written
from wardround.engine.study.shapes import joined
from wardround.federation.strategies.fedavg import FedAvgParameters
from wardround.federation.strategies.foreign import ForeignStrategy
from wardround.federation.strategies.protocol import Strategy
from wardround.federation.strategy_terms import StrategyTerms

ENTRY_POINT_GROUP = "wardround.strategies"


@dataclass(frozen=True)
class StrategyPart:
    """One registered strategy.

    Attributes:
        name: its name in a federation file.
        parameters: the type of its parameters.
        implementation: `module:attribute`, called with the parameters; gives a `Strategy`.
        package: name and release of the installed package that it comes from; empty for Wardround's own.
    """

    name: str
    parameters: type[Parameters]
    implementation: str
    package: str = ""

    @property
    def owner(self) -> Owner:
        """Who answers for it."""
        instead = "or let the federation name another strategy"
        return Owner(f"the strategy {self.name!r}", self.package, "strategy", instead)

    def build(self, parameters: Parameters) -> Strategy:
        """Import the implementation and make the strategy. Raises `InputError` that names the package at fault."""
        module, _, attribute = self.implementation.partition(":")
        with answering(self.owner):
            strategy = cast(Strategy, getattr(import_module(module), attribute)(parameters))
        return ForeignStrategy(self.owner, strategy) if self.package else strategy


_BUILTIN = (StrategyPart("fedavg", FedAvgParameters, "wardround.federation.strategies.fedavg:FedAvg"),)


@dataclass(frozen=True)
class _Installed:
    """The strategies of this installation by name, and what is wrong with packages whose strategies cannot be had."""

    parts: Mapping[str, StrategyPart]
    broken: Mapping[str, InputError]


@cache
def _installed() -> _Installed:
    """A package that cannot be loaded is only noted: it is of no concern to a federation that uses another strategy."""
    parts = {part.name: part for part in _BUILTIN}
    broken: dict[str, InputError] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        part = _load(entry)
        if isinstance(part, InputError):
            broken[entry.name] = part
        elif part.name in parts:
            broken[part.name] = _doubled(parts[part.name], part)
        else:
            parts[part.name] = part
    return _Installed({name: part for name, part in parts.items() if name not in broken}, broken)


def _doubled(first: StrategyPart, second: StrategyPart) -> InputError:
    whose = [f"the package {part.package}" if part.package else "Wardround itself" for part in (first, second)]
    remedy = "Uninstall a package that is not needed, or ask its author to give the strategy another name"
    return InputError.one(
        f"two strategies are called {first.name!r}", got=" and ".join(f"one of {each}" for each in whose), remedy=remedy
    )


def _load(entry: EntryPoint) -> StrategyPart | InputError:
    where = f"{release_of(entry)}, entry point {entry.name} = {entry.value}"
    remedy = "Repair, update or uninstall the package"
    try:
        part = entry.load()
    except Exception as error:  # whatever a foreign package raises, the user can only repair or remove it
        got = f"{type(error).__name__}: {error}"
        return InputError.one("an installed package's strategy cannot be loaded", where=where, got=got, remedy=remedy)
    if isinstance(part, StrategyPart):
        return replace(part, package=release_of(entry))
    what, got = "an installed package's strategy is none", type(part).__name__
    return InputError.one(what, where=where, got=got, expected="a StrategyPart", remedy=remedy)


def known_strategies() -> Mapping[str, StrategyPart]:
    """All strategies of this installation that can be used, by name."""
    return _installed().parts


class StrategyUse(Closed):
    """A strategy that a federation uses, with typed parameters, defaults filled in."""

    name: str
    parameters: SerializeAsAny[Parameters]

    @property
    def terms(self) -> StrategyTerms:
        """Name and parameters as the plan that the sites accept states them."""
        values = json.loads(canonical_model(self.parameters))
        return StrategyTerms.model_validate({"name": self.name, "parameters": as_tuples(values)})

    def build(self) -> Strategy:
        """The strategy. Raises `InputError` that names the package whose strategy cannot be had."""
        return known_strategies()[self.name].build(self.parameters)


_SPELT = "a name, alone or with its parameters: `name` or `{name: ..., key: value}`"


def _split(value: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"]), {key: item for key, item in value.items() if key != "name"}
    raise flawed(
        "strategy", [Flaw((), "this does not name a strategy", written(value), _SPELT, remedy=_instead(value))]
    )


def _instead(value: Any) -> str:
    """What to write instead of something that names no strategy."""
    together = joined(value) if isinstance(value, list | tuple) and value else value
    if isinstance(value, list | tuple) and [*value] in [[name] for name in known_strategies()]:
        return f"Write `strategy: {value[0]}`"
    return (_of_keys(together) if isinstance(together, dict) else "") or "Write for example `strategy: fedavg`"


def _of_keys(value: dict[str, Any]) -> str:
    """A strategy whose name is one of its keys, or stands among them; empty where there is no name."""
    name = next((key for key in value if key in known_strategies()), "")
    own = value[name] if name and isinstance(value[name], dict) else {}
    others = {key: item for key, item in value.items() if key not in (name, "name")}
    found = name or value.get("name")
    return f"Write `strategy: {flow({'name': found, **own, **others})}`" if isinstance(found, str) else ""


def _parse(value: Any) -> StrategyUse:
    if isinstance(value, StrategyUse):
        return value
    name, content = _split(value)
    installed = _installed()
    if name in installed.broken:
        raise flawed("strategy", [_as_flaw(installed.broken[name].problems[0])])
    if name not in installed.parts:
        raise flawed("strategy", _unknown(name, installed))
    model = installed.parts[name].parameters
    try:
        use = StrategyUse(name=name, parameters=model.model_validate(content))
    except ValidationError as error:
        raise flawed("strategy", flaws_of(error, model)) from None
    try:
        _ = use.terms
    except ValidationError as error:  # a plan could not state these names or values
        raise flawed("strategy", [replace(each, location=()) for each in flaws_of(error, StrategyTerms)]) from None
    return use


def _unknown(name: str, installed: _Installed) -> list[Flaw]:
    """The name is wrong; or it is that of a strategy whose package cannot be loaded, so these are told as well."""
    known = tuple(sorted(installed.parts))
    unknown = Flaw((), f"unknown strategy {name!r}", f"`{name}`", f"one of {', '.join(known)}", name, known)
    return [unknown, *(_as_flaw(error.problems[0]) for error in installed.broken.values())]


def _as_flaw(problem: Problem) -> Flaw:
    what = f"{problem.what}: {problem.where}" if problem.where else problem.what
    return Flaw((), what, problem.got, problem.expected, remedy=problem.remedy)


StrategyField = Annotated[StrategyUse, BeforeValidator(_parse)]
"""How `federation.yaml` names a strategy: `fedavg` or `{name: fedavg, ...}`."""
