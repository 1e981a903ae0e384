"""Classes and the values that stand for them in masks and tables: `tumour: 1`, or `tumour: [1, 2, 4]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from wardround.engine.study.expectations import flow
from wardround.engine.study.located_problems import Flaw
from wardround.engine.study.names import plain_name
from wardround.engine.study.shapes import joined, without_dashes

LARGEST_VALUE = 65535
"""Of a class: masks are written as unsigned integers of at most two bytes."""
BACKGROUND = "background"

Values = int | tuple[int, ...]
Rest = Literal["background", "error"]


def _shortest(values: Values) -> Values:
    """A list of one is the same study as the number alone."""
    return values[0] if isinstance(values, tuple) and len(values) == 1 else values


_Value = Annotated[int, Field(ge=0, le=LARGEST_VALUE)]
ClassValues = Annotated[_Value | Annotated[tuple[_Value, ...], Field(min_length=1)], AfterValidator(_shortest)]


def listed(values: Values) -> tuple[int, ...]:
    """The values of a class; the first one is written for it in predictions."""
    return values if isinstance(values, tuple) else (values,)


def by_value(classes: Mapping[str, Values]) -> dict[str, tuple[int, ...]]:
    """All values of each class, the class with the least first value first."""
    named = {name: listed(values) for name, values in classes.items()}
    return dict(sorted(named.items(), key=lambda each: each[1][0]))


def classes_instead(value: Any, first: int) -> str:
    """How classes are written that were written as a list, as one text, or without numbers; empty for anything else.

    `first` is the least value that a class may have: 1 in masks, where 0 is the background.
    """
    entries = _entries(value)
    if not entries:
        return ""
    together = joined([_named(each) for each in entries])
    if together:
        return without_dashes("classes: ", together)
    return _from_numbers(entries, first) or _from_names(entries, first)


def _entries(value: Any) -> list[Any]:
    """What is listed where names with numbers should stand."""
    if isinstance(value, str):
        return [each.strip() for each in value.split(",")]
    is_bare = isinstance(value, Mapping) and all(number is None for number in value.values())
    return list(value) if is_bare or isinstance(value, list | tuple) else []


def _named(entry: Any) -> Any:
    """`{name: left, value: 1}` as `{left: 1}`; anything else as it is."""
    others = [item for key, item in entry.items() if key != "name"] if isinstance(entry, Mapping) else []
    name = entry.get("name") if len(others) == 1 else None
    return {name: others[0]} if isinstance(name, str) else entry


def _from_numbers(entries: Sequence[Any], first: int) -> str:
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in entries):
        return ""
    numbered = {f"class{each}": each for each in entries if each >= first}
    return f"Give each number a name: `classes: {flow(numbered)}`"


def _from_names(entries: Sequence[Any], first: int) -> str:
    names = [each for each in entries if each and each != BACKGROUND]
    if not names or not all(isinstance(each, str) for each in entries):
        return ""
    where = "in the masks" if first else "in the table"
    named = {plain_name(name): number for number, name in enumerate(names, start=first)}
    if "" in named:
        return ""
    return f"Write `classes: {flow(named)}`, with the number that stands for each {where}"


def shared_values(classes: Mapping[str, Values]) -> Iterator[Flaw]:
    """Every value that stands in two classes, or twice in one."""
    first: dict[int, str] = {}
    for name, values in classes.items():
        for value in listed(values):
            if value in first:
                yield _shared(value, first[value], name, values)
            first.setdefault(value, name)


def _shared(value: int, first: str, name: str, values: Values) -> Flaw:
    if first == name:
        what, remedy = f"the value {value} stands twice in this class", f"Leave {value} in the list once"
    else:
        what = f"two classes have the same value: {value} is in {first!r} and in {name!r}"
        remedy = "Give each class the numbers that it has in the masks or in the table"
    return Flaw((name,), what, flow(values), "each number once, in one class", remedy=remedy)


def spoken(values: Values) -> str:
    """`1`, `1 or 2`, or `1, 2 or 4`."""
    *others, last = map(str, listed(values))
    return f"{', '.join(others)} or {last}" if others else last
