"""What a validator found, with its own place in the document, so that one validator can report several things."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]
_LONGEST_VALUE = 100
_FLAW = "flaw"
_PATTERNS = {
    r"^[a-z0-9][a-z0-9-]{0,63}$": "up to 64 small letters, digits and hyphens, such as brain-tumours-2",
    r"^[a-z0-9][a-z0-9-]{0,31}$": "up to 32 small letters, digits and hyphens, such as north",
    r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,63}$": "up to 64 letters, digits, spaces and . _ & + -, a letter or digit first",
    r"^(auto|cpu|cuda(:[0-9]+)?)$": "auto, cpu, cuda, or cuda:0 and so on",
    r"^[RLAPSI]{3}$": "three of the letters R L A P S I, such as RAS",
}
"""What people may write where a text has a pattern."""


@dataclass(frozen=True)
class Flaw:
    """One problem of a document, before its file and line are known.

    Attributes:
        location: keys and indices, counted from the model whose validator found it.
        what: one clause in the user's words.
        got: the offending value as `written` gives it; empty where the place says enough.
        expected: what would have been right.
        word: a name that is not known, if that is the problem.
        known: the names that would have been.
    """

    location: Location
    what: str
    got: str = ""
    expected: str = ""
    word: str = ""
    known: tuple[str, ...] = ()


def flawed(title: str, flaws: Iterable[Flaw]) -> ValidationError:
    """The error for a validator to raise; pydantic puts the place of its model in front of each location."""
    return ValidationError.from_exception_data(title, [_line(flaw) for flaw in flaws])


def flaws_of(error: ValidationError, model: type[BaseModel]) -> list[Flaw]:
    """All that pydantic found wrong with a document for `model`, in the user's words."""
    details = error.errors()
    places = [detail["loc"] for detail in details]
    return [_flaw_of(detail, model) for detail in details if not _is_consequence(detail, places)]


def _is_consequence(detail: ErrorDetails, places: Iterable[Location]) -> bool:
    """A list is called too short when its items are wrong, which is said already."""
    here = detail["loc"]
    return detail["type"] == "too_short" and any(place[: len(here)] == here != place for place in places)


def _flaw_of(detail: ErrorDetails, model: type[BaseModel]) -> Flaw:
    """One of pydantic's error details about `model`, in the user's words."""
    location, context = detail["loc"], detail.get("ctx", {})
    if detail["type"] == _FLAW:
        return Flaw(location, context["what"], context["got"], context["expected"], context["word"], context["known"])
    if detail["type"] == "extra_forbidden":
        word = str(location[-1])
        return Flaw(location, f"unknown key {word!r}", word=word, known=known_keys(model, location))
    if detail["type"] == "missing":
        return Flaw(location, "a required key is missing")
    got = "" if isinstance(detail["input"], Mapping | BaseModel) else written(detail["input"])
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return Flaw(location, "this text cannot be used", got, _PATTERNS.get(pattern, f"text that matches {pattern}"))
    expected = message.removeprefix("Input should be ")
    if expected != message:
        return Flaw(location, "this value cannot be used", got, expected)
    return Flaw(location, message[:1].lower() + message[1:], got)


def known_keys(model: type[BaseModel], location: Location) -> tuple[str, ...]:
    """The keys that `model` takes beside the one at `location`."""
    reached: Any = model
    for step in location[:-1]:
        if isinstance(step, str):
            reached = _model_within(_annotations(reached).get(step))
    return tuple(_annotations(reached))


def written(value: Any) -> str:
    """A value as the user may have written it, on one line and not too long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(_as_lists(value))
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + " ..."


def as_tuples(value: Any) -> Any:
    """Lists as tuples, however deep: what a strict model takes from a document."""
    if isinstance(value, Mapping):
        return {key: as_tuples(item) for key, item in value.items()}
    return tuple(as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _line(flaw: Flaw) -> InitErrorDetails:
    context = {"what": flaw.what, "got": flaw.got, "expected": flaw.expected, "word": flaw.word, "known": flaw.known}
    # The text goes in as a value, so that braces in a user's own word are not taken for a template.
    return InitErrorDetails(type=PydanticCustomError(_FLAW, "{what}", context), loc=flaw.location, input=None)


def _annotations(model: Any) -> dict[str, Any]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_within(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_within(argument) for argument in typing.get_args(annotation))
    return next((found for found in inner if found is not None), None)


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple | list) else value
