"""Which strategies a federation file can name here, with their parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator

from wardround.engine.parts import Kind, Part
from wardround.federation.strategies.registry import strategies


def describe_strategies() -> tuple[str, ...]:
    """Each strategy of this installation with its summary, and a line for each parameter."""
    return tuple(line for part in strategies().parts(Kind.STRATEGY) for line in _lines(part))


def describe_broken() -> tuple[str, ...]:
    """What is wrong with installed packages whose strategies, or other parts, cannot be had."""
    return tuple(f"note: {problem.render()}" for problem in strategies().broken)


def _lines(part: Part) -> Iterator[str]:
    whose = f" (of {part.package})" if part.package else ""
    summary = (part.parameters.__doc__ or "").strip().split("\n")[0]
    yield f"{part.name}{whose}: {summary}"
    for name, field in part.parameters.model_fields.items():
        value = "required" if field.is_required() else f"default {json.dumps(field.get_default(), default=str)}"
        yield f"    {field.alias or name}: {value}"
