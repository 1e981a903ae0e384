"""Elements of a header as plain values: an empty one counts as one that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def text(item: Any, name: str) -> str:
    """An element as text; empty where there is none."""
    value = item.get(name)
    return "" if value is None else str(value)


def words(item: Any, name: str) -> tuple[str, ...]:
    """The values of an element; none where there is none."""
    value = item.get(name)
    if value is None or isinstance(value, str):
        return (value,) if value else ()
    return tuple(map(str, value))


def number(item: Any, name: str) -> float | None:
    """An element as a number; None where there is none. Raises `ValueError` and `TypeError` for what is none."""
    value = item.get(name)
    return None if value is None or value == "" or isinstance(value, bytes) else float(value)


def whole(item: Any, name: str, default: int) -> int:
    """An element as a whole number. Raises as `number` does."""
    found = number(item, name)
    return default if found is None else int(found)


def items(item: Any, name: str) -> Sequence[Any]:
    """The items of a sequence; none where there is none."""
    return item.get(name) or ()
