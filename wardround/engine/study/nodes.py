"""The JSON schema of a model, as far as it is asked what may stand in a place: its nodes, and how to walk them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

Node = Mapping[str, Any]


@cache
def schema_of(model: type[BaseModel]) -> Node:
    """The JSON schema of a model; an empty one where it has none, as a plug-in's may."""
    try:
        return model.model_json_schema(mode="validation")
    except PydanticInvalidForJsonSchema:
        return {}


def branches(node: Node, root: Node) -> Iterator[Node]:
    """A node's alternatives, its references followed; what stands beside a reference counts as well."""
    whole = resolved(node, root)
    if "anyOf" not in whole and "oneOf" not in whole:
        yield whole
        return
    for each in whole.get("anyOf", whole.get("oneOf", ())):
        yield from branches(each, root)


def resolved(node: Node, root: Node) -> Node:
    """A node, or what it refers to."""
    while "$ref" in node:
        target = root.get("$defs", {}).get(str(node["$ref"]).rpartition("/")[2], {})
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def choices(branch: Node) -> tuple[Any, ...]:
    """The only values that a branch allows, if it allows only some."""
    return (branch["const"],) if "const" in branch else tuple(branch.get("enum", ()))


def child(node: Node, step: str | int, root: Node) -> Node | None:
    """What stands one key or index further down; None where the schema knows of nothing."""
    for branch in branches(node, root):
        found = _item(branch, step) if isinstance(step, int) else _property(branch, step)
        if found is not None:
            return found
    return None


def _item(branch: Node, index: int) -> Node | None:
    fixed: Sequence[Node] = branch.get("prefixItems", ())
    if index < len(fixed):
        return fixed[index]
    items = branch.get("items")
    return items if isinstance(items, Mapping) else None


def _property(branch: Node, key: str) -> Node | None:
    found: Node | None = branch.get("properties", {}).get(key)
    if found is not None:
        return found
    free = [*branch.get("patternProperties", {}).values(), branch.get("additionalProperties")]
    return next((item for item in free if isinstance(item, Mapping)), None)


def within(branch: Node, number: float) -> bool:
    """Whether a branch for numbers allows a number."""
    if only := choices(branch):
        return number in only
    if branch["type"] == "integer" and not number.is_integer():
        return False
    least, most = branch.get("minimum", -math.inf), branch.get("maximum", math.inf)
    above, below = branch.get("exclusiveMinimum", -math.inf), branch.get("exclusiveMaximum", math.inf)
    return bool(least <= number <= most and above < number < below)
