"""In what two documents of plain values differ, a line for each value, for people.

    training.optimizer.learning_rate 0.001 -> 0.0005

Values and keys that are not plain words are shown as ASCII JSON, so that no text of a peer can pass for another line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TypeGuard

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/+-]*")
_LITERALS = frozenset({"null", "true", "false", "NaN", "Infinity"})
_GROUPING = frozenset({"parameters", "horizon"})
"""Keys that only group others, and say nothing to people."""
_UNSET = object()


def changed_values(path: tuple[str, ...], old: object, new: object) -> Iterator[str]:
    """The differences below `path`, down to single values."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*old, *(key for key in new if key not in old)):
            yield from changed_values((*path, str(key)), old.get(key, _UNSET), new.get(key, _UNSET))
    elif _is_list_of_parts(old) and _is_list_of_parts(new):
        yield from _compare_lists(path, old, new)
    elif shown(old) != shown(new):
        yield f"{_named(path)} {shown(old)} -> {shown(new)}"


def _is_list_of_parts(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in value)


def _compare_lists(path: tuple[str, ...], old: list[object], new: list[object]) -> Iterator[str]:
    """Parts of the same name are compared with each other; the others came or went."""
    labels = [_label(item) for item in old], [_label(item) for item in new]
    for kind, first, last, new_first, new_last in SequenceMatcher(None, *labels, autojunk=False).get_opcodes():
        if kind == "equal":
            for before, after in zip(old[first:last], new[new_first:new_last], strict=True):
                yield from changed_values((*path, _label(before)), before, after)
            continue
        yield from (f"{_named(path)}: {_described(item)} was removed" for item in old[first:last])
        yield from (f"{_named(path)}: {_described(item)} was added" for item in new[new_first:new_last])


def _label(item: object) -> str:
    return str(item["name"]) if isinstance(item, Mapping) and "name" in item else _json(item)


def _described(item: object) -> str:
    """A part by its name and parameters, anything else as it is."""
    if not isinstance(item, Mapping) or "name" not in item:
        return shown(item)
    rest: Sequence[object] = [item[key] for key in item if key != "name" and item[key]]
    return " ".join([shown(item["name"]), *map(_json, rest)])


def _named(path: tuple[str, ...]) -> str:
    group = "study " if path[0] == "study" else ""
    *above, last = path[1:] if group else path
    return group + ".".join(shown(key) for key in (*(key for key in above if key not in _GROUPING), last))


def shown(value: object) -> str:
    """A value so that any two that differ look different: a text is bare where it cannot be taken for another value."""
    if value is _UNSET:
        return "not set"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _LITERALS:
        return value
    return _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, sort_keys=True)
