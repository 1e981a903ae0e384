"""What is wrong with a document before its file and lines are known, and values as a person writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardround.engine.basics.problems import did_you_mean

Location = tuple[str | int, ...]
"""Keys and indices that lead to a place of a document."""
OTHERWISE = "Correct it as it says, and run the same command again"
"""What is left to say where nothing is known of a place."""
_LONGEST_VALUE = 100
_PLAIN = re.compile(r"[A-Za-z/]([A-Za-z0-9_./ -]|:(?=[^ ]))*")
_KEYWORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


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
        remedy: what to do; where it is empty, the close ones among the known names are.
    """

    location: Location
    what: str
    got: str = ""
    expected: str = ""
    word: str = ""
    known: tuple[str, ...] = ()
    remedy: str = ""

    @property
    def way_out(self) -> str:
        """What to do about it; never empty."""
        return self.remedy or (did_you_mean(self.word, self.known) if self.word else "") or OTHERWISE


def flow(value: Any) -> str:
    """A value as one may write it in a line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_plain(text: str) -> bool:
    """Whether YAML takes a text without quotation marks for a text."""
    return _PLAIN.fullmatch(text) is not None and text.lower() not in _KEYWORDS


def written(value: Any) -> str:
    """A value as the user may have written it, on one line and not too long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping) and not value:
        return "nothing"
    try:
        text = flow(value) if isinstance(value, Mapping | tuple | list) else repr(value)
    except ValueError:  # Python writes no number of so many digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + " ..."
