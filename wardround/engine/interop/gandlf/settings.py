"""Keys of a configuration, read one by one: each in the type that GaNDLF takes it for, and none overlooked."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wardround.engine.basics.problems import did_you_mean
from wardround.engine.interop.gandlf.notes import Notes

_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})
_ALIKE = 0.8


class Settings:
    """A mapping of a configuration that knows which of its keys were read.

    Numbers may be written as texts, as 1e-3 is one to PyYAML. What has the wrong type becomes a finding, and counts as
    left out.
    """

    def __init__(self, content: Any, place: str, notes: Notes) -> None:
        self.notes, self._place, self._read = notes, place, set[str]()
        if content is not None and not isinstance(content, Mapping):
            notes.wrong(place, "these are no keys", content, "lines of the form `key: value`")
        self._content = {str(key): value for key, value in content.items()} if isinstance(content, Mapping) else {}

    def place(self, key: str) -> str:
        """Where a key stands, such as `model.norm_type`."""
        return f"{self._place}.{key}" if self._place else key

    def __contains__(self, key: str) -> bool:
        return key in self._content

    @property
    def keys(self) -> tuple[str, ...]:
        """All keys in order."""
        return tuple(self._content)

    def take(self, *names: str) -> Any:
        """The value of the first of these keys that is there; None where none is."""
        self._read.update(names)
        return next((self._content[name] for name in names if name in self._content), None)

    def section(self, name: str) -> Settings:
        """The keys below one."""
        return Settings(self.take(name), self.place(name), self.notes)

    def number(self, name: str, otherwise: float | None = None) -> float | None:
        """A finite number."""
        value = self.take(name)
        found = as_number(value)
        if value is not None and found is None:
            self.notes.wrong(self.place(name), "this is no number", value, "a number")
        return otherwise if found is None else found

    def whole(self, name: str, otherwise: int | None = None) -> int | None:
        """A whole number."""
        value = self.take(name)
        found = as_number(value)
        if value is not None and (found is None or not found.is_integer()):
            self.notes.wrong(self.place(name), "this is no whole number", value, "a whole number")
            return otherwise
        return otherwise if found is None else int(found)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers, or one number alone; empty where there is none."""
        value = self.take(name)
        listed = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        found = [as_number(each) for each in listed]
        if value is None:
            return ()
        if not found or None in found:
            self.notes.wrong(self.place(name), "these are no numbers", value, "a list of numbers")
            return ()
        return tuple(each for each in found if each is not None)

    def flag(self, name: str) -> bool:
        """Whether a switch is on; off where it is left out."""
        value = self.take(name)
        word = str(value).lower()
        if value is not None and word not in _TRUE | _FALSE:
            self.notes.wrong(self.place(name), "this is no switch", value, "True or False")
        return word in _TRUE

    def word(self, name: str) -> str:
        """A text; empty where it is left out."""
        value = self.take(name)
        if value is not None and not isinstance(value, str):
            self.notes.wrong(self.place(name), "this is no name", value, "a word")
        return value if isinstance(value, str) else ""

    def tell_unread(self, known: Iterable[str] = ()) -> None:
        """Tell of keys that nothing has read: a finding where one that is left out was probably meant."""
        names = {*self._read, *known} - {*self._content}
        for key in self._content:
            if key in self._read:
                continue
            if difflib.get_close_matches(key.lower(), names, 1, _ALIKE):
                what, remedy = "unknown key, which GaNDLF takes without a word", did_you_mean(key, names)
                self.notes.wrong(self.place(key), what, self._content[key], "a key of GaNDLF's", remedy)
            else:
                self.notes.there(self.place(key), "nothing reads this key, and nobody is told; it is left out here too")


def as_number(value: Any) -> float | None:
    """A number, or a text that says one; None for anything else, infinities and NaN among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None
