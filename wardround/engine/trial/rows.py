"""What must hold of every row, whatever its kind: its words, and what its parameters take and refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.parts import BreachError, Parameters, Part
from wardround.engine.study.expectations import place_in
from wardround.engine.study.located_problems import as_tuples, flaws_of
from wardround.engine.study.nodes import schema_of

_BEYOND = {"minimum": -1.0, "exclusiveMinimum": 0.0, "maximum": 1.0, "exclusiveMaximum": 0.0}
"""How far from a bound that the schema states a value lies beyond it."""


def example_of(model: type[Parameters]) -> Mapping[str, Any]:
    """Values of the parameters that must be given: the examples of their fields, or what their types allow."""
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {name: as_tuples(place_in(model, (name,)).example) for name in required}


def require_row(part: Part) -> Parameters:
    """The part's parameters with nothing but what must be given. Raises `BreachError` for what does not hold of it."""
    model = part.parameters
    _require_words(part)
    try:
        parameters = model.model_validate(example_of(model), strict=True)
    except ValidationError as error:
        told = "; ".join(f"{flaw.what} {flaw.got}" for flaw in flaws_of(error, model))
        raise BreachError(
            f"parameters without a default or a fitting example: {told}", "Field(examples=[...])"
        ) from None
    _require_round_trip(parameters)
    _require_refusals(model)
    return parameters


def _require_words(part: Part) -> None:
    model = part.parameters
    if not (model.__dict__.get("__doc__") or "").strip():
        raise BreachError("parameters without a docstring", "a sentence on what the part does, which `parts` lists")
    if model.shorthand is not None and model.shorthand not in model.model_fields:
        raise BreachError(f"the shorthand {model.shorthand!r}", f"one of its fields, {', '.join(model.model_fields)}")
    if model.model_config.get("extra") != "forbid" or not model.model_config.get("frozen"):
        raise BreachError("parameters that take any key, or can be changed", "those of `Parameters`: closed and frozen")


def _require_round_trip(parameters: Parameters) -> None:
    """A study is kept and sent as canonical JSON, and its digest is taken of that."""
    written = canonical_model(parameters)
    again = type(parameters).model_validate(as_tuples(json.loads(written)), strict=True)
    if again != parameters or canonical_model(again) != written:
        raise BreachError(f"{again!r} from JSON", f"{parameters!r}, from which it was written")


def _require_refusals(model: type[Parameters]) -> None:
    for name, value in _unfit_values(model):
        try:
            model.model_validate({**example_of(model), name: value}, strict=True)
        except ValidationError as error:
            _require_remedy(model, name, error)
        else:
            raise BreachError(f"{name}: {value} taken", "an error: it is no key, no number, or beyond a stated bound")


def _unfit_values(model: type[Parameters]) -> Iterator[tuple[str, Any]]:
    yield "no_such_key", 1
    for name, node in schema_of(model).get("properties", {}).items():
        yield f"{name}s", 1
        yield name, math.nan
        yield from ((name, node[bound] + step) for bound, step in _BEYOND.items() if bound in node)


def _require_remedy(model: type[Parameters], name: str, error: ValidationError) -> None:
    """A key that is nearly one of the part's is told with that one."""
    meant = name.removesuffix("s")
    if name not in model.model_fields and meant in model.model_fields:
        told = " ".join(flaw.way_out for flaw in flaws_of(error, model))
        if meant not in told:
            raise BreachError(f"{told!r} for the key {name!r}", f"the key {meant!r}")
