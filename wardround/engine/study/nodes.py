"""The JSON schema of a model, as far as it is asked what may stand in a place: its nodes, and how to walk them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from wardround.engine.parts import STUDY_KINDS, builtin_and_plugins

Node = Mapping[str, Any]
PART_MODELS = frozenset({"PartUse", "StrategyUse"})
"""The models that are written as the name of a part."""


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


def takes(node: Node, value: Any, root: Node) -> bool:
    """Whether a value may stand in a place, as far as the schema tells; a part's own parameters it does not know."""
    return any(_takes(branch, value, root) for branch in branches(node, root))


def _takes(branch: Node, value: Any, root: Node) -> bool:
    if branch.get("title") in PART_MODELS:
        return _names_part(branch, value)
    if only := choices(branch):
        return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in only)
    kind = branch.get("type")
    if kind == "array":
        return isinstance(value, list) and _takes_items(branch, value, root)
    if kind == "object":
        return isinstance(value, Mapping) and _takes_keys(branch, value, root)
    return _takes_one(branch, value)


def _takes_one(branch: Node, value: Any) -> bool:
    """Whether a branch for single values takes a value."""
    match branch.get("type"):
        case "integer" | "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and _fits(branch, value)
        case "string":
            return isinstance(value, str) and re.search(branch.get("pattern", ""), value) is not None
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case _:
            return True


def _names_part(branch: Node, value: Any) -> bool:
    """Whether a value names a part that is there; of strategies, which other rooms know, any name will do."""
    if isinstance(value, Mapping):
        value = value.get("name") or (next(iter(value)) if len(value) == 1 else None)
    is_known = value in {part.name for part in builtin_and_plugins().parts(*STUDY_KINDS)}
    return isinstance(value, str) and (is_known or branch.get("title") == "StrategyUse")


def _fits(branch: Node, number: float) -> bool:
    return (branch["type"] == "number" or isinstance(number, int)) and within(branch, float(number))


def _takes_items(branch: Node, value: Sequence[Any], root: Node) -> bool:
    least, most = branch.get("minItems", 0), branch.get("maxItems", math.inf)
    nodes = [_item(branch, index) for index in range(len(value))]
    return least <= len(value) <= most and all(
        node is None or takes(node, item, root) for node, item in zip(nodes, value, strict=True)
    )


def _takes_keys(branch: Node, value: Mapping[str, Any], root: Node) -> bool:
    nodes = {key: _property(branch, key) for key in value}
    is_whole = set(branch.get("required", ())) <= value.keys()
    return is_whole and all(node is not None and takes(node, value[key], root) for key, node in nodes.items())
