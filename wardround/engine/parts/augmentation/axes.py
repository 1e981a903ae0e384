"""How the axes of a flip are read, and what to write for those that are named otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit

_IN_VOLUMES, _IN_FLAT = {"x": 0, "y": 1, "z": 2}, {"y": 0, "x": 1}
"""Which axis a letter means: an image of two axes is indexed by row and column."""
_COUNTED = "Axes are counted from 0: the first is 0, the second 1, the third 2"


def read_axes(value: Any) -> Any:
    """The axes of a flip; raises pydantic's error for a document that names them otherwise, doubly or from 1."""
    if value == "all" or isinstance(value, Mapping) or value is None:
        return value
    axes = [*value] if isinstance(value, tuple | list | str) else [value]
    if isinstance(value, tuple | list) and all(_is_axis(axis) for axis in axes):
        if len(set(axes)) == len(axes):
            return value
        raise _unlike_axes("an axis stands twice", value, f"Write each axis once, such as `axes: {sorted(set(axes))}`")
    raise _unlike_axes("this value cannot be used", value, _as_axes(axes))


def _is_axis(axis: Any) -> bool:
    return isinstance(axis, int) and not isinstance(axis, bool) and 0 <= axis <= 2


def _as_axes(axes: list[Any]) -> str:
    """What to write for axes that are named by letters, counted from 1, or given without a list."""
    letters = [text for axis in axes if (text := str(axis).strip(" ,;").lower())]
    if letters and set(letters) <= _IN_VOLUMES.keys():
        return _as_numbers(letters)
    if letters and set(letters) <= set("0123") and not {"0", "3"} <= set(letters):
        return f"{_COUNTED}; write {_line(int(letter) - ('3' in letters) for letter in letters)}"
    return f"{_COUNTED}; write for example `axes: [0]`, or `axes: all`"


def _as_numbers(letters: list[str]) -> str:
    said = f"Axes are numbers: in volumes x is 0, y 1 and z 2; write {_line(_IN_VOLUMES[x] for x in letters)}"
    return said if "z" in letters else f"{said}; for images of two axes, {_line(_IN_FLAT[x] for x in letters)}"


def _line(axes: Iterable[int]) -> str:
    return f"`axes: {sorted(set(axes))}`"


def _unlike_axes(what: str, value: Any, remedy: str) -> PydanticCustomError:
    got = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    expected = "all, or a list of different axes: 0 and 1, in volumes 2 as well"
    return unfit(what, got=got, expected=expected, remedy=remedy)
