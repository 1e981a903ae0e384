"""Strategies by name, with typed parameters; plug-ins join by the entry point group `wardround.strategies`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, SerializeAsAny
from pydantic_core import PydanticCustomError

from wardround.aggregator.strategies.fedavg import FedAvgParameters
from wardround.aggregator.strategies.protocol import Strategy
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.parts import Parameters

ENTRY_POINT_GROUP = "wardround.strategies"


@dataclass(frozen=True)
class StrategyPart:
    """One registered strategy.

    Attributes:
        name: its name in a federation file.
        parameters: the type of its parameters.
        implementation: `module:attribute`, called with the parameters; gives a `Strategy`.
    """

    name: str
    parameters: type[Parameters]
    implementation: str

    def build(self, parameters: Parameters) -> Strategy:
        """Import the implementation and make the strategy."""
        module, _, attribute = self.implementation.partition(":")
        return cast(Strategy, getattr(import_module(module), attribute)(parameters))


_BUILTIN = (StrategyPart("fedavg", FedAvgParameters, "wardround.aggregator.strategies.fedavg:FedAvg"),)


@cache
def known_strategies() -> Mapping[str, StrategyPart]:
    """All strategies of this installation by name. Raises `InputError` when two share a name."""
    found: dict[str, StrategyPart] = {}
    for part in (*_BUILTIN, *(entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP))):
        if part.name in found:
            raise InputError.one(f"two strategies are called {part.name!r}", got=part.implementation)
        found[part.name] = part
    return found


class StrategyUse(Closed):
    """A strategy that a federation uses, with typed parameters, defaults filled in."""

    name: str
    parameters: SerializeAsAny[Parameters]

    @property
    def label(self) -> str:
        """Name and parameters in one line, as the plan that the sites accept states them."""
        written = canonical_model(self.parameters).decode()
        return self.name if written == "{}" else f"{self.name} {written}"

    def build(self) -> Strategy:
        """The strategy."""
        return known_strategies()[self.name].build(self.parameters)


def _split(value: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(value, str):
        return value, {}
    if isinstance(value, dict) and "name" in value:
        return str(value["name"]), {key: item for key, item in value.items() if key != "name"}
    raise PydanticCustomError("strategy", "Input should be a name, or a mapping with a `name` and parameters")


def _parse(value: Any) -> StrategyUse:
    if isinstance(value, StrategyUse):
        return value
    name, written = _split(value)
    part = known_strategies().get(name)
    if part is None:
        remedy = did_you_mean(name, known_strategies())
        raise PydanticCustomError("unknown_strategy", "unknown strategy. {remedy}", {"remedy": remedy})
    return StrategyUse(name=name, parameters=part.parameters.model_validate(written))


StrategyField = Annotated[StrategyUse, BeforeValidator(_parse)]
"""How `federation.yaml` names a strategy: `fedavg` or `{name: fedavg, ...}`."""
