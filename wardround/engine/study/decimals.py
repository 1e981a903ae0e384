"""What to say of decimal commas within brackets, once it is known what the rest of the document suffers from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from wardround.engine.study.commas import Listed, lists_of
from wardround.engine.study.expectations import Location
from wardround.engine.study.located_problems import UNKNOWN_KEY, WRONG_VALUE, Flaw, written
from wardround.engine.study.numerals import POINT, numeral

_MOST_SHOWN = 2

Check = Callable[[JsonValue], Sequence[Flaw]]
"""What is wrong with a document's content."""


def untold(halved: Mapping[Location, str], flaws: Iterable[Flaw]) -> list[Flaw]:
    """A flaw for each number that a comma had cut in two and of which nothing is told yet: it must not pass as text."""
    told = {flaw.location for flaw in flaws if not flaw.what.startswith(UNKNOWN_KEY)}
    return [_of_halved(location, text) for location, text in halved.items() if location not in told]


def _of_halved(location: Location, text: str) -> Flaw:
    found = numeral(text)
    reason, readings = (POINT, ()) if found is None else (found.reason, found.readings)
    shown = ", or ".join(f"`{location[-1]}: {reading}`" for reading in readings)
    remedy = f"{reason}; write {shown}" if shown else f"{reason}; or part the entries by a comma and a blank"
    return Flaw(location, WRONG_VALUE, written(text), "a number with a decimal point", remedy=remedy)


def with_decimals(flaws: Sequence[Flaw], text: str, content: JsonValue, check: Check) -> list[Flaw]:
    """The flaws, with one for each list that would fit if its commas were decimal commas."""
    found = list(flaws)
    for location, listed in lists_of(text).items():
        of_list = [flaw for flaw in found if _is_within(flaw, location)]
        fitting = [way for way in listed.readings if _fits(way, location, content, check)] if of_list else []
        if fitting:
            found = [flaw for flaw in found if flaw not in of_list]
            found.append(_of_list(of_list[0], location, listed, fitting))
    return found


def _of_list(flaw: Flaw, location: Location, listed: Listed, fitting: Sequence[tuple[str, ...]]) -> Flaw:
    head = f"{location[-1]}: " if isinstance(location[-1], str) else ""
    shown = ", or ".join(f"`{head}[{', '.join(way)}]`" for way in fitting[:_MOST_SHOWN])
    return replace(flaw, location=location, what=WRONG_VALUE, got=listed.text, remedy=f"{POINT}; write {shown}")


def _fits(way: Sequence[str], location: Location, content: JsonValue, check: Check) -> bool:
    numbers: list[JsonValue] = [float(each) if "." in each else int(each) for each in way]
    return not any(_is_within(flaw, location) for flaw in check(_with(content, location, numbers)))


def _is_within(flaw: Flaw, location: Location) -> bool:
    return flaw.location[: len(location)] == location


def _with(content: JsonValue, location: Location, value: JsonValue) -> JsonValue:
    """The content with another value in one place."""
    if not location:
        return value
    step, rest = location[0], location[1:]
    if isinstance(content, dict):
        return {**content, str(step): _with(content[str(step)], rest, value)}
    if isinstance(content, list):
        return [_with(item, rest, value) if index == step else item for index, item in enumerate(content)]
    return content
