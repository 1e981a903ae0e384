"""What a validator found, with its own place in the document, so that one validator can report several things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from wardround.engine.basics.closed import UNFIT
from wardround.engine.basics.flaws import Flaw as Flaw
from wardround.engine.basics.flaws import Location
from wardround.engine.basics.flaws import written as written
from wardround.engine.study.expectations import Place, place_in
from wardround.engine.study.names import plain_name
from wardround.engine.study.remedies import close_to, for_example, own_remedy, remedy_for, worded_remedy

_KEY = "[key]"
"""What pydantic puts behind a key that is itself wrong."""
WRONG_VALUE = "this value cannot be used"
_PREFIX = "Input should be "
UNKNOWN_KEY = "unknown key"
MISSING = "a required key is missing"


def flawed(title: str, flaws: Iterable[Flaw]) -> ValidationError:
    """The error for a validator to raise; pydantic puts the place of its model in front of each location."""
    return ValidationError.from_exception_data(title, [_line(flaw) for flaw in flaws])


def flaws_of(error: ValidationError, model: type[BaseModel]) -> list[Flaw]:
    """All that pydantic found wrong with a document for `model`, in the user's words; each place is told of once.

    Of a value that may be of several kinds pydantic says for each kind why it is not one. What is wrong within it says
    more than that it is not another kind as a whole.
    """
    found = [(_is_custom(detail), _flaw_of(detail, model)) for detail in error.errors(include_url=False)]
    places = [flaw.location for _, flaw in found]
    told: dict[tuple[Location, str], Flaw] = {}
    for is_custom, flaw in found:
        here = flaw.location
        if is_custom or not any(place[: len(here)] == here != place for place in places):
            told.setdefault((here, flaw.what), flaw)
    return list(told.values())


def _is_custom(detail: ErrorDetails) -> bool:
    return detail["type"] in (UNFIT, "value_error", "extra_forbidden", "missing")


def _flaw_of(detail: ErrorDetails, model: type[BaseModel]) -> Flaw:
    """One of pydantic's error details about `model`, in the user's words."""
    location, context, kind = detail["loc"], detail.get("ctx", {}), detail["type"]
    if kind == UNFIT:
        return Flaw(location, **context)
    if kind == "extra_forbidden":
        return _unknown_key(location, model)
    place = place_in(model, location)
    if kind == "missing":
        return _missing(place)
    got = "" if isinstance(detail["input"], BaseModel) else written(detail["input"])
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return Flaw(place.location, message[:1].lower() + message[1:], got, place.expected, remedy=for_example(place))
    if _is_our_own(kind):
        expected = message.removeprefix(_PREFIX)
        what = WRONG_VALUE if expected != message else message
        expected = expected if expected != message else place.expected
        return Flaw(place.location, what, got, expected, remedy=_own_remedy(place, detail))
    if location[-1:] == (_KEY,):
        return Flaw(place.location, "this name cannot be used", got, place.expected, remedy=_renamed(detail["input"]))
    return Flaw(place.location, WRONG_VALUE, got, place.expected, remedy=remedy_for(place, detail["input"], kind))


def _own_remedy(place: Place, detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "word":
        return worded_remedy(place, detail["input"], context["word"], context["otherwise"], context["example"])
    return own_remedy(place, detail["input"])


def _renamed(name: Any) -> str:
    """What to call something whose name cannot be used."""
    plain = plain_name(name) if isinstance(name, str) else ""
    return f"Call it for example `{plain}`" if plain else "Give it a name of these characters"


def _is_our_own(kind: str) -> bool:
    """Whether a type of error is one that a validator of this project raises with a text for people."""
    return kind in ("address", "size", "word", "strategy")


def _unknown_key(location: Location, model: type[BaseModel]) -> Flaw:
    word, known = str(location[-1]), place_in(model, location[:-1]).keys
    remedy = close_to(word, known)
    listed = f"one of {', '.join(known)}" if known else "no keys here"
    expected = "a key that is known here" if remedy else listed
    remedy = remedy or "Take the line out, or write one of these keys"
    return Flaw(location, f"{UNKNOWN_KEY} {word!r}", f"`{word}`", expected, word, known, remedy)


def _missing(place: Place) -> Flaw:
    line = place.line
    example = f"Add `{line}`" if place.only is not None else f"Add it, for example `{line}`"
    remedy = example if line else f"Add the key `{place.key}`"
    return Flaw(place.location, MISSING, f"no `{place.key}`", place.expected, remedy=remedy)


def as_tuples(value: Any) -> Any:
    """Lists as tuples, however deep: what a strict model takes from a document."""
    if isinstance(value, Mapping):
        return {key: as_tuples(item) for key, item in value.items()}
    return tuple(as_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _line(flaw: Flaw) -> InitErrorDetails:
    context = {name: getattr(flaw, name) for name in ("what", "got", "expected", "word", "known", "remedy")}
    # The text goes in as a value, so that braces in a user's own word are not taken for a template.
    return InitErrorDetails(type=PydanticCustomError(UNFIT, "{what}", context), loc=flaw.location, input=None)
