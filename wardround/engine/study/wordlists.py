"""A word alone in the place of a list of words: the list that says as much, and never more, than was written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from typing import Any

from wardround.engine.study.expectations import Place, flow
from wardround.engine.study.nodes import Node, branches, choices

_NOTHING = frozenset({"none", "nothing", "no", "never", "off", "false", "null", "~", "0", ""})
_BETWEEN = re.compile(r"\s*[;|/&+]\s*|\s+and\s+|\s+")
_LIKE = 0.75


def takes_words(place: Place) -> bool:
    """Whether a list may stand here whose entries are words, and no numbers or parts."""
    items = _items(place)
    return bool(items) and all(branch.get("type") == "string" or choices(branch) for branch in items)


def listed_words(place: Place, value: Any) -> str:
    """What to write instead of a single word, or instead of nothing at all; empty where that cannot be told."""
    text = "" if value is None or value is False else value
    if not isinstance(text, str):
        return ""
    text = text.strip()
    if text.lower() in _NOTHING:
        return f"For nothing at all write `{place.head}[]`" if place.takes([]) else ""
    return "" if _close(text, place.choices) else _list_of(place, text)


def _list_of(place: Place, text: str) -> str:
    """The list of the words in a text; empty where one of them cannot be an entry."""
    known = [word for branch in _items(place) for word in choices(branch) if isinstance(word, str)]
    pieces = [piece for piece in _BETWEEN.split(text) if piece] if _are_apart(place, text) else [text]
    meant = [_close(piece, known) if known else piece for piece in pieces]
    return f"Write a list, such as `{place.head}{flow(meant)}`" if all(meant) else ""


def _are_apart(place: Place, text: str) -> bool:
    """Whether blanks and signs stand between words: not in the names that people give, nor in `dice.left lung`."""
    return "." not in text and not any("pattern" in branch for branch in _items(place))


def _close(word: str, known: Sequence[str]) -> str:
    """The known word that a word can hardly stand otherwise for; empty where there is none, or several."""
    plain = word.lower()
    found = difflib.get_close_matches(plain, known, n=1, cutoff=_LIKE)
    begun = [each for each in known if len(plain) > 2 and each.startswith(plain)]
    return begun[0] if len(begun) == 1 else next(iter(found), "")


def _items(place: Place) -> list[Node]:
    """What the entries of the list may be that stands in a place; nothing for a list of a set length."""
    nodes = [branch["items"] for branch in place.branches if isinstance(branch.get("items"), dict)]
    return [branch for node in nodes for branch in branches(node, place.root)]
