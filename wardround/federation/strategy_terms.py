"""How a plan states its strategy: a name and typed parameters, in one line without room for free text."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer

from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.closed import Closed
from wardround.engine.study.located_problems import as_tuples

StrategyName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
_ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}$")]
_Value = bool | int | float | _Word | None
_List = Annotated[tuple[_Value, ...], Field(max_length=64)]
_Group = _List | Annotated[dict[_ParameterName, _Value | _List], Field(max_length=64)]


class StrategyTerms(Closed):
    """How the sites' updates are combined: a strategy's name, and those of its parameters that are not its defaults.

    In a plan it is written as one line, `name` or `name {parameters}`, as the first release wrote it, so that digests
    stay. It is read into its parts, so that a plan holds no text that somebody could write freely.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    name: StrategyName
    parameters: Annotated[dict[_ParameterName, _Value | _Group], Field(max_length=64)] = Field(default_factory=dict)

    def __str__(self) -> str:
        """Name and parameters in one line, as a plan states them."""
        return f"{self.name} {canonical_json(self._values).decode()}" if self.parameters else self.name

    @property
    def described(self) -> str:
        """The same for people to read."""
        told = ", ".join(f"{name} {json.dumps(value)}" for name, value in sorted(self._values.items()))
        return f"{self.name} ({told})" if told else self.name

    @property
    def _values(self) -> dict[str, JsonValue]:
        written: dict[str, JsonValue] = self.model_dump(mode="json")["parameters"]
        return written


def _strategy_terms(value: Any) -> Any:
    """A strategy's terms from the line that a plan holds. Raises ValueError for one that would be written otherwise."""
    if not isinstance(value, str):
        return value
    name, _, parameters = value.partition(" ")
    terms = StrategyTerms.model_validate({"name": name, "parameters": as_tuples(_parameters(parameters))})
    if str(terms) != value:
        raise ValueError("a strategy is a name and, after one space, its parameters in canonical form")
    return terms


def _parameters(text: str) -> JsonValue:
    try:
        found: JsonValue = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        raise ValueError("a strategy's parameters are a JSON object") from None
    return found


_Line = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}( \{[ -~]{1,8192}\})?$")]
StrategyField = Annotated[
    StrategyTerms,
    BeforeValidator(_strategy_terms, json_schema_input_type=_Line),
    PlainSerializer(str, return_type=str),
]
"""A strategy's terms as a plan states them."""
