"""Facts for any sentence about an event, and what of them must be read in it."""

from __future__ import annotations

from string import Formatter

from pydantic import JsonValue


def facts_for(template: str) -> dict[str, JsonValue]:
    """A fact for each field of a template: a number where it is written as one, else a word of its own."""
    facts: dict[str, JsonValue] = {}
    for _, name, form, _ in Formatter().parse(template):
        if name:
            facts[name] = 2.25 if form and form[-1] in "f%" else f"<{name}>"
    return facts


def missing_in(line: str, template: str) -> list[str]:
    """The fields of a template whose facts are not read in a line."""
    told = {name: fact if isinstance(fact, str) else "2" for name, fact in facts_for(template).items()}
    return [name for name, fact in told.items() if fact not in line]
