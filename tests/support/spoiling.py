"""Documents with one wrong value each, and whether what is said of them is fit for people."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.study.documents import Document, validate_document
from wardround.engine.study.expectations import place_in
from wardround.engine.study.nodes import schema_of

WRONG_VALUES: tuple[Any, ...] = (
    *(-1, 0, 3.5, 10**30, -1e300, "nan", "inf", True, None, "", "no such word", "0,5", "8", "yes"),
    *([], [1], ["x", 2], [[1]], {}, {"a": 1}, {"name": 3}, {"x": {"y": []}}, [None], "{what} {0}", "ä ö"),
)
FORBIDDEN = (
    *("valid dictionary", "valid tuple", "valid list", "Input should", "input should", "union tag", "Extra inputs"),
    *("should match pattern", "^[", "$", "valid string", "valid integer", "valid number", "unable to parse"),
    *("instance of", "pydantic", "literal", "Literal", "NoneType", "dict_type", "model_type", "at most items"),
    *("greater than or equal", "valid boolean", "a valid", "[type=", "None", "True", "False"),
)


def spoilt(content: Any, values: Sequence[Any] = WRONG_VALUES) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Every place of a document, each wrong value, and the document with that value in that place."""
    for place in _places(content, ()):
        for value in values:
            changed = copy.deepcopy(content)
            parent = changed
            for step in place[:-1]:
                parent = parent[step]
            parent[place[-1]] = value
            yield place, value, changed


def filled(model: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every key that it leaves out and of which the schema has an example."""
    found = dict(content)
    for key in schema_of(model).get("properties", {}):
        place = place_in(model, (key,))
        if key not in found and place.example is not None:
            found[key] = place.example
    return found


def problems_of(model: Any, content: Any, *, strict: bool | None = None) -> tuple[Problem, ...]:
    """What is said of a document."""
    try:
        validate_document(model, Document.of_values(Path("file.yaml"), content), strict=strict)
    except InputError as error:
        return error.problems
    return ()


def unfit_for_people(problem: Problem) -> list[str]:
    """What is missing in a problem, and what words in it no person should have to read."""
    said = problem.render().replace("'no such word'", "").replace("'{what} {0}'", "")
    missing = [name for name in ("what", "where", "got", "expected", "remedy") if not getattr(problem, name)]
    return [*missing, *(word for word in FORBIDDEN if word in said)]


def unfit_messages(model: Any, content: Any, *, strict: bool | None = None) -> list[str]:
    """Every message of a document that is spoilt in one place which is not fit for people."""
    found = []
    for place, value, changed in spoilt(content):
        for problem in problems_of(model, changed, strict=strict):
            if faults := unfit_for_people(problem):
                found.append(f"{place} = {value!r}: {problem.render()} {faults}")
    return found


def _places(content: Any, here: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, item in items:
        yield (*here, key)
        yield from _places(item, (*here, key))
