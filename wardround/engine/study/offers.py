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

from wardround.engine.study.expectations import Location, place_in
from wardround.engine.study.flaws import WRONG_VALUE, Flaw
from wardround.engine.study.numerals import POINT
from wardround.engine.study.remedies import FOR_EXAMPLE, OFFER, for_example
from wardround.engine.study.shapes import INNER
from wardround.engine.study.strays import Written

_UNTRIED = (FOR_EXAMPLE, INNER, POINT)
"""What is no line for the place itself, or about the way in which a number is written and not about its value."""
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
    parent = changed
    try:
        for step in at[:-1]:
            parent = parent[step]
        parent[at[-1]] = value
    except (KeyError, IndexError, TypeError):
        return None
    return changed
