"""Classes and the values that stand for them in masks and tables: `tumour: 1`, or `tumour: [1, 2, 4]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wardround.engine.study.expectations import flow
from wardround.engine.study.flaws import Flaw

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
