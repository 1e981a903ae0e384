"""A list in the place of a section, a section in that of a list, and the like: what was written, as it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wardround.engine.study.expectations import Place, flow
from wardround.engine.study.nodes import Node, branches
from wardround.engine.study.numerals import with_point

DASHES = "Take the dashes away"
INNER = "Take the inner brackets away"
_LONGEST = 100
_LONGEST_ENTRY = 48
_MOST_ENTRIES = 6
_OF_LISTS = re.compile(r"\s*[;|×]\s*|(?<=\d)\s*x\s*(?=\d)|,?\s+")
_ITEM = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_PART_MODELS = frozenset({"PartUse"})


def reshaped(place: Place, value: Any) -> str:
    """What to write instead of a value that has another shape than its place; empty where that cannot be told."""
    if isinstance(value, Mapping):
        return _of_section(place, value) if value else ""
    if isinstance(value, list | tuple):
        return _of_list(place, value) if value and not place.wants_list else ""
    return _of_text(place, value.strip()) if isinstance(value, str) else ""


def entries(value: Mapping[str, Any], word: str = "entry") -> str:
    """Begin each entry with a dash, and how that looks."""
    shown = [f"`- {_entry(str(key), item)}`" for key, item in value.items()]
    more = ["and so on"] if len(shown) > _MOST_ENTRIES else []
    return f"Begin each {word} with `- `: {', '.join([*shown[:_MOST_ENTRIES], *more])}"


def joined(value: Sequence[Any]) -> dict[str, Any] | None:
    """The keys of a list's entries together; None unless each entry has keys, and none of them stands twice."""
    keys = [str(key) for each in value if isinstance(each, Mapping) for key in each]
    if not all(isinstance(each, Mapping) for each in value) or len(set(keys)) < len(keys):
        return None
    return {str(key): item for each in value for key, item in each.items()}


def without_dashes(head: str, value: Mapping[str, Any]) -> str:
    """A section as it looks without dashes."""
    return f"{DASHES}: `{head}{_section(value)}`"


def _of_section(place: Place, value: Mapping[str, Any]) -> str:
    if not place.wants_list:
        return "" if _takes_keys(place) else _without_key(place, value)
    items = _items(place)
    if _are_parts(items):
        parts = {value["name"]: _but_name(value)} if isinstance(value.get("name"), str) else value
        return entries(parts, "step" if place.key == "preprocessing" else "entry")
    if _has_numbers(items):
        return _as_list(place, list(value.values()), int | float)
    return _as_list(place, _names_in(value), str) if any(each.get("type") == "string" for each in items) else ""


def _but_name(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != "name"}


def _names_in(value: Mapping[str, Any]) -> list[Any]:
    """The names in a section that numbers them, in either direction, or that says nothing of them."""
    if all(str(name).isdigit() for name in value):
        return [*value.values()]
    return sorted(value, key=value.__getitem__) if _all_of(value.values(), int) else [*value]


def _are_parts(items: Sequence[Node]) -> bool:
    return any(branch.get("title") in _PART_MODELS for branch in items)


def _has_numbers(items: Sequence[Node]) -> bool:
    return any(branch.get("type") in ("integer", "number") for branch in items)


def _as_list(place: Place, values: Sequence[Any], kind: Any) -> str:
    return f"Write a list: `{place.head}{flow(list(values))}`" if _all_of(values, kind) else ""


def _without_key(place: Place, value: Mapping[str, Any]) -> str:
    """A section of one key in the place of a single value."""
    if len(value) != 1:
        return ""
    key, item = next(iter(value.items()))
    is_name = item is None or item == {} or (place.wants_text and not isinstance(item, str))
    alone = key if is_name else item
    if isinstance(alone, Mapping | list | tuple):
        return ""
    return f"Write the value alone: `{place.head}{flow(alone)}`"


def _of_list(place: Place, value: Sequence[Any]) -> str:
    if not _takes_keys(place):
        return _one_of(place, value)
    together = joined(value)
    if together is not None:
        return without_dashes(place.head, together)
    for key in place.keys if _all_of(value, int | float) else ():
        found = place.below(key)
        if found.wants_list:
            return f"Say what it is: `{place.head}{{{key}: {flow(list(value))}}}`"
    return ""


def _one_of(place: Place, value: Sequence[Any]) -> str:
    """A list in the place of a single value."""
    if any(isinstance(each, Mapping | list | tuple) or each is None for each in value):
        return ""
    if len(value) == 1:
        return f"Write it without brackets or a dash: `{place.head}{flow(value[0])}`"
    if place.location and isinstance(place.location[-1], int):
        return f"{INNER}: `{flow(list(value))}`"
    shown = ", or ".join(f"`{place.head}{flow(each)}`" for each in dict.fromkeys(value[:_MOST_ENTRIES]))
    return f"Only one can stand here; write {shown}"


def _of_text(place: Place, text: str) -> str:
    """Several values in one text in the place of a list."""
    items = _items(place)
    if not items or (place.wants_number and not place.wants_whole):
        return ""
    if _has_numbers(items):
        values = _numbers_in(text)
    else:
        values = _pieces(re.split(r"[\s,]+" if _are_parts(items) else ",", text))
        values = [flow(value) for value in values]
    return f"Write a list: `{place.head}[{', '.join(values)}]`" if len(values) > 1 else ""


def _numbers_in(text: str) -> list[str]:
    """The numbers of which a text consists; none where there is anything else in it."""
    pieces = _pieces(_OF_LISTS.split(text) if _OF_LISTS.search(text) else text.split(","))
    numbers = [with_point(piece) for piece in pieces if _ITEM.fullmatch(piece)]
    return numbers if len(numbers) == len(pieces) else []


def _pieces(parts: Sequence[str]) -> list[str]:
    return [part.strip(" ()[]") for part in parts if part]


def _items(place: Place) -> list[Node]:
    """What the entries of the list may be that stands in a place; empty where none does."""
    nodes = [
        node
        for branch in place.branches
        for node in (branch.get("items"), *branch.get("prefixItems", ()))
        if isinstance(node, Mapping)
    ]
    return [branch for node in nodes for branch in branches(node, place.root)]


def _takes_keys(place: Place) -> bool:
    return any(branch.get("type") == "object" for branch in place.branches)


def _all_of(values: Any, kind: Any) -> bool:
    found = list(values)
    return bool(found) and all(isinstance(each, kind) and not isinstance(each, bool) for each in found)


def _entry(key: str, item: Any) -> str:
    if item is None or item == {}:
        return flow(key)
    text = flow(item)
    return f"{key}: {text if len(text) <= _LONGEST_ENTRY else '…'}"


def _section(value: Mapping[str, Any]) -> str:
    text = flow(value)
    return text if len(text) <= _LONGEST else f"{{{', '.join(_pairs(value))}}}"


def _pairs(value: Mapping[str, Any]) -> Iterator[str]:
    for key, item in value.items():
        text = flow(item)
        yield f"{key}: {text if len(text) <= _LONGEST_ENTRY // 2 else '…'}"
