"""What a remedy offers to be written is tried before it is told: advice that fails when followed is worse than none."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wardround.engine.study.expectations import Location, flow, place_in
from wardround.engine.study.located_problems import WRONG_VALUE, Flaw
from wardround.engine.study.located_problems import written as shown
from wardround.engine.study.numerals import POINT
from wardround.engine.study.remedies import FOR_EXAMPLE, OFFER, for_example
from wardround.engine.study.shapes import INNER
from wardround.engine.study.strays import Written, value_at

_UNTRIED = (FOR_EXAMPLE, INNER, POINT)
"""What is no line for the place itself, or about the way in which a number is written and not about its value."""
_THEN = "; write `"
_FAILURES = (WRONG_VALUE, "unknown ", "this name cannot be used")


def with_sound_offers(flaws: list[Flaw], written: Written) -> list[Flaw]:
    """The flaws, with an example where a line that was made of what was written would be refused as well."""
    return [_sound(flaw, written) for flaw in flaws]


def _sound(flaw: Flaw, written: Written) -> Flaw:
    if flaw.what != WRONG_VALUE or flaw.remedy.startswith(_UNTRIED):
        return flaw
    at = written.keys(flaw.location)
    changes = (_with_value(written.content, at, value) for value in _values(flaw))
    found = [left for changed in changes if changed is not None for left in written.flaws_in(changed)]
    if any(left.what.startswith(_FAILURES) and written.keys(left.location)[: len(at)] == at for left in found):
        return replace(flaw, remedy=for_example(place_in(written.model, flaw.location)))
    return flaw


def _values(flaw: Flaw) -> Iterator[Any]:
    """The values that a remedy offers for its place."""
    key = flaw.location[-1] if flaw.location else ""
    head = f"{key}: " if isinstance(key, str) and key else ""
    for offer in OFFER.findall(flaw.remedy):
        if offer.startswith(head) and not re.search(r"…|\.\.\.|^- ", offer):
            try:
                yield YAML(typ="safe", pure=True).load(offer.removeprefix(head))
            except YAMLError:
                continue


def _with_value(content: JsonValue, at: Location, value: Any) -> Any:
    """The content with another value in a place; None where there is no such place."""
    changed: Any = copy.deepcopy(content)
    parent = value_at(changed, at[:-1])
    try:
        parent[at[-1]] = value
    except (KeyError, IndexError, TypeError):
        return None
    return changed


def with_entries_together(flaws: list[Flaw], written: Written) -> list[Flaw]:
    """The flaws, with one for a whole list where several of its entries are written in the same wrong way."""
    lists: dict[tuple[Location, str], list[Flaw]] = {}
    for flaw in flaws:
        if flaw.what == WRONG_VALUE and flaw.location and isinstance(flaw.location[-1], int):
            lists.setdefault((flaw.location[:-1], flaw.expected), []).append(flaw)
    joined = {id(flaw): whole for group in lists.values() for whole in _whole(group, written) for flaw in group}
    told = [joined.get(id(flaw), flaw) for flaw in flaws]
    return list(dict.fromkeys(told))


def _whole(group: list[Flaw], written: Written) -> Iterator[Flaw]:
    """One flaw for several of a list's entries; none unless each has a line to write instead, and all is right then."""
    first, at = group[0], written.keys(group[0].location[:-1])
    reason, entries, instead = _reason(group), value_at(written.content, at), _instead(group)
    if len(group) < 2 or not reason or not instead or not isinstance(entries, list):
        return
    right = [instead.get(index, entry) for index, entry in enumerate(entries)]
    if _is_right(right, at, written):
        line = f"{at[-1]}: {flow(right)}" if isinstance(at[-1], str) else flow(right)
        got, expected = shown(entries), f"a list, each {first.expected}"
        remedy = f"{reason}{_THEN}{line}`"
        yield replace(first, location=first.location[:-1], got=got, expected=expected, remedy=remedy)


def _reason(group: list[Flaw]) -> str:
    """What all entries have in common; empty where they have not."""
    reasons = {flaw.remedy.partition(_THEN)[0] if _THEN in flaw.remedy else "" for flaw in group}
    return reasons.pop() if len(reasons) == 1 else ""


def _instead(group: list[Flaw]) -> dict[str | int, Any]:
    """What is offered for each entry; nothing unless it is one value for each."""
    offers = {flaw.location[-1]: [*_values(flaw)] for flaw in group}
    return {index: values[0] for index, values in offers.items()} if {*map(len, offers.values())} == {1} else {}


def _is_right(value: Any, at: Location, written: Written) -> bool:
    changed = _with_value(written.content, at, value)
    left = [] if changed is None else written.flaws_in(changed)
    return changed is not None and not any(written.keys(flaw.location)[: len(at)] == at for flaw in left)
