"""The lines that a message offers, and whether they may stand where it says."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.spoiling import WRONG_VALUES, problems_of, spoilt
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import parse_document

FORMS: tuple[Any, ...] = (
    *("1 mm", "1e-3 mm", "1,5", "16x16x16", "16 x 16", "50%", "10k", "24h", "1 day", "90 s", "x", "yes", "1 GB", "z"),
    *(3, -1, 0.5, 1.5, 100000, ["1 mm", "1 mm", "1 mm"], [1, 1], [1, 2, 3], ["x", "z"], ["x"], {"x": 1}, "16"),
)
"""Values as people write them elsewhere, beside those that are wrong everywhere."""
_OFFER = re.compile(r"(?:Write|write|such as|for example|, or|Add|is written so:)[^`]*`([^`]+)`")

_OF_THE_PLACE = ("this value cannot be used", "this name cannot be used", "unknown ", "these are no parameters")
"""What is said of a value by itself; whether it fits the rest of the document is another question."""


def offers_that_fail(model: Any, content: Any, *, strict: bool | None = None) -> list[str]:
    """Each line that is offered for a document with one wrong value and that may not stand in its place."""
    found = set[str]()
    for _, value, changed in spoilt(content, (*WRONG_VALUES, *FORMS)):
        for problem in problems_of(model, changed, strict=strict):
            for offer in _offers(problem):
                for told in _still_wrong(model, changed, problem, offer, strict=strict):
                    found.add(f"{value!r}: {problem.render()} -> {told}")
    return sorted(found)


def _offers(problem: Problem) -> list[str]:
    """The lines that a remedy offers; commands are none, and what is cut short cannot be read."""
    found = [offer.removeprefix("- ") for offer in _OFFER.findall(problem.remedy)]
    return [offer for offer in found if not offer.startswith("wardround ") and not re.search(r"…|\.\.\.", offer)]


def _still_wrong(model: Any, content: Any, problem: Problem, offer: str, *, strict: bool | None) -> Iterator[str]:
    place = problem.where.partition(", ")[2]
    try:
        parse_document(f"offer: {{{offer}}}\n" if ": " in offer else f"offer: {offer}\n", Path("offer.yaml"))
    except InputError as error:
        yield str(error)
        return
    mended = _with_offer(content, [int(step) if step.isdigit() else step for step in place.split(".")], offer)
    if mended is None:
        return
    for left in problems_of(model, mended, strict=strict):
        where = left.where.partition(", ")[2]
        if left.what.startswith(_OF_THE_PLACE) and (where == place or where.startswith(f"{place}.")):
            yield left.render()


def _with_offer(content: Any, steps: list[int | str], offer: str) -> Any:
    """The document with an offered line in the place of a value; None where it is no line for that place."""
    mended = copy.deepcopy(content)
    parent = mended
    for step in steps[:-1]:
        try:
            parent = parent[step]
        except (KeyError, IndexError, TypeError):
            return None
    key = steps[-1]
    item = f"{{{offer}}}" if re.match(r"[\w ]+: ", offer) else offer
    text = offer if offer.startswith(f"{key}: ") else f"{key}: {item}"
    is_item = isinstance(parent, list) and isinstance(key, int) and key < len(parent)
    if not is_item and not (isinstance(parent, dict) and offer.startswith(f"{key}: ")):
        return None
    parent[key] = parse_document(f"{text}\n", Path("offer.yaml")).content[str(key)]  # type: ignore[index,call-overload]
    return mended
