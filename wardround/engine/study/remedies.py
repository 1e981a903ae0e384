"""What to write instead of a value that cannot stand in its place: what was meant, or else an example."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from wardround.engine.basics.flaws import OTHERWISE
from wardround.engine.basics.problems import did_you_mean
from wardround.engine.study.expectations import Place, flow
from wardround.engine.study.names import plain_name
from wardround.engine.study.numerals import Numeral, numeral
from wardround.engine.study.shapes import INNER, reshaped
from wardround.engine.study.wordlists import listed_words, takes_words

_TRUTHS = {"yes": "true", "on": "true", "y": "true", "true": "true"} | dict.fromkeys(
    ("no", "off", "n", "false"), "false"
)
_SIZE = re.compile(r"([\d.,' ]*\d)\s*([kKMGT]?B)")
_NEARLY = 0.8
_LONGEST_NUMBER = 1e15
OFFER = re.compile(r"`([^`]+)`")
"""A line within a remedy."""
FOR_EXAMPLE = "Write for example"
_LATER = ", or, if a later release wrote this file, update Wardround"


def for_example(place: Place) -> str:
    """A line that may stand in a place; where nothing else may, it is no example."""
    if not place.line:
        return OTHERWISE
    return f"Write `{place.line}`" if place.only is not None else f"{FOR_EXAMPLE} `{place.line}`"


def remedy_for(place: Place, value: Any, kind: str) -> str:
    """What to write instead of a value: what was meant, where that can be told, or else an example.

    `kind` is the validator's name of the error.
    """
    candidates = (remedy for remedy in _candidates(place, value, kind) if remedy and _may_stand(place, remedy))
    return next(candidates, "") or for_example(place)


def _candidates(place: Place, value: Any, kind: str) -> Iterator[str]:
    """What may have been meant, the likeliest first; empty where that cannot be told."""
    yield reshaped(place, value)
    if takes_words(place):
        yield listed_words(place, value)
    if place.wants_list and kind in ("tuple_type", "list_type"):
        yield _listed(place, value)
    if isinstance(value, str):
        yield _meant(place, value.strip(), is_quoted=kind in ("int_type", "float_type"))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield _of_number(place, value)


def _may_stand(place: Place, remedy: str) -> bool:
    """Whether each line that a remedy offers may stand in the place; what is cut short or no line is not judged."""
    if remedy.startswith(INNER):
        return True  # the line is that of the list around the place
    offers = [offer for offer in OFFER.findall(remedy) if offer.startswith(place.head) and "…" not in offer]
    return all(_fits(place, offer.removeprefix(place.head)) for offer in offers if not offer.startswith("- "))


def _fits(place: Place, text: str) -> bool:
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return False
    return place.takes(value)


def _of_number(place: Place, value: float) -> str:
    """A remedy for a number; empty where nothing can be told of it."""
    if place.key == "schema" and value > 1:
        return for_example(place) + _LATER
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _LONGEST_NUMBER
    return f"Write it without a point: `{place.head}{value:.0f}`" if is_whole and place.wants_whole else ""


def _listed(place: Place, value: Any) -> str:
    """A single value as a list, with as many entries as one has there, such as one for each axis."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    least, most = place.entries
    found = numeral(value) if isinstance(value, str) else None
    texts = found.readings if found else (flow(value), str(value).strip())
    text = next((text for text in texts if _fits(place, _several(text, most))), "")
    if not text:
        return ""
    beginning = f"{found.reason}; write" if found else "Write"
    fewer = f", or `{place.head}{_several(text, least)}` for images of two axes" if (least, most) == (2, 3) else ""
    return f"{beginning} a list, such as `{place.head}{_several(text, most)}`{fewer}"


def _several(text: str, count: int) -> str:
    return f"[{', '.join([text] * count)}]"


def own_remedy(place: Place, value: Any) -> str:
    """What to write instead of a value that a validator of this project refuses: a size, an address."""
    sized = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if sized and (found := numeral(sized[1])):
        return f"{found.reason}; write `{place.head}{found.readings[0]} {sized[2]}`"
    return for_example(place)


def worded_remedy(place: Place, value: Any, word: str, otherwise: str, example: str) -> str:
    """What to write where a word may stand, or else a number such as the example."""
    text = value.strip() if isinstance(value, str) else ""
    if _is_number(text) and place.admits(float(text)):
        return f"Write the number without quotation marks: `{place.head}{text}`"
    found = numeral(text)
    if found and not text.endswith("%") and any(place.admits(float(reading)) for reading in found.readings):
        return _as_number(place, found)
    return f"Write {otherwise}, such as `{place.head}{example}`, or `{place.head}{word}`"


def close_to(word: str, known: Iterable[str]) -> str:
    """The close ones of the known words as a remedy; empty where none is close."""
    names = [name for name in known if _alike(word, name)]
    return did_you_mean(word, names) if names else ""


def is_nearly(word: str, key: str) -> bool:
    """Whether a word can hardly stand for anything but a key: written otherwise, a part of it, or off by a letter."""
    plain, whole = re.sub(r"[\W_]", "", word.lower()), re.sub(r"[\W_]", "", key.lower())
    is_part = len(plain) > 3 and plain in key.lower().split("_")
    return plain == whole or is_part or difflib.SequenceMatcher(None, plain, whole).ratio() >= _NEARLY


def _alike(word: str, key: str) -> bool:
    return bool(difflib.get_close_matches(word.lower(), [key.lower()], cutoff=0.55))


def _meant(place: Place, text: str, *, is_quoted: bool) -> str:
    """A remedy for a text that stands for something else; empty where that cannot be told."""
    if place.wants_number:
        return _meant_number(place, text, is_quoted=is_quoted)
    if place.wants_truth and text.lower() in _TRUTHS:
        return f"Write `{place.head}{_TRUTHS[text.lower()]}`"
    if place.wants_plain_name and plain_name(text):
        return f"Write for example `{place.head}{flow(plain_name(text))}`"
    if place.wants_short_name and _short(text):
        return f"Write for example `{place.head}{_short(text)}`"
    return close_to(text, place.choices)


def _meant_number(place: Place, text: str, *, is_quoted: bool) -> str:
    if is_quoted and _is_number(text):
        return f"Write the number without quotation marks: `{place.head}{text}`"
    if found := numeral(text):
        return _as_number(place, found)
    if place.key.isdigit() and text:
        return f"Write the name first and the number after it: `{flow(text)}: {place.key}`"
    return ""


def _as_number(place: Place, found: Numeral) -> str:
    """Each reading that may stand in the place; where none may, a line that may."""
    readings = [reading for reading in found.readings if place.admits(float(reading))]
    if place.wants_whole:
        readings = list(_whole(readings))
    told = ", or ".join(f"`{place.head}{reading}`" for reading in readings)
    if told:
        return f"{found.reason}; write {told}"
    return f"{found.reason}; write for example `{place.line}`" if place.line else found.reason


def _whole(readings: Iterable[str]) -> Iterator[str]:
    """Readings as whole numbers: what has no point; or, without such, what has nothing behind it."""
    numbers = list(readings)
    bare = [number for number in numbers if re.fullmatch(r"[+-]?\d+", number)]
    return iter(bare or [f"{float(number):.0f}" for number in numbers])


def _short(text: str) -> str:
    """What is left of a text as a short name of lower-case letters, digits and hyphens; empty for nothing."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:32].strip("-")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text and text.lower().lstrip("+-") not in ("nan", "inf", "infinity")
