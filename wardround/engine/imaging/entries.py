"""The entries of a text header, as NRRD and MetaImage have one, and all that is wrong with them at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from wardround.engine.basics.problems import Findings
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.image import Remark, Space

_LONGEST = 1 << 22
"""Bytes of a header; those of segmentations with many segments and their colours have some 100,000."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
_ORIENT = "Export it again with its orientation, or see in `preview` that all images lie alike"
AGAIN = "Export it again, or correct the entry in the program that wrote it"

_Value = TypeVar("_Value")


class Entries:
    """The entries of a header by the names that we know them by.

    Attributes:
        path: the file.
        remarks: what is allowed, but worth telling.
        space: what is told of the space that the voxels lie in.
    """

    def __init__(self, path: Path) -> None:
        """An empty header of a file."""
        self.path = path
        self.remarks: list[Remark] = []
        self.space = Space.BODY
        self._findings = Findings()
        self._values: dict[str, str] = {}
        self._spelled: dict[str, str] = {}

    def add(self, name: str, spelled: str, value: str) -> None:
        """Note an entry, as it is `spelled` in the file. One that stands twice is a problem.

        Another name for an entry that says the same is none.
        """
        if name in self._values:
            if spelled != self._spelled[name] and value == self._values[name]:
                return
            got = f"{self._values[name]!r} and {value!r}"
            if spelled != self._spelled[name]:
                got += f", as {self._spelled[name]} and as {spelled}"
            self.refuse(name, got, "one entry", "Remove the one that is wrong")
            return
        self._values[name], self._spelled[name] = value, spelled

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def get(self, name: str, default: str) -> str:
        """An entry's text, or the default where there is none."""
        return self._values.get(name, default)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all entries, in the order of the file."""
        return tuple(self._values)

    def refuse(self, name: str, got: str, expected: str = "", remedy: str = AGAIN) -> None:
        """Note that an entry is missing or cannot be used."""
        where = f"{self.path}, {self._spelled.get(name, name)}"
        self._findings.add(
            "this entry of the header cannot be used", where=where, got=got, expected=expected, remedy=remedy
        )

    def remark(self, what: str, got: str = "", remedy: str = "") -> None:
        """Note something that is allowed, but that the header's owner should know."""
        found = Remark(what, got, remedy)
        if found not in self.remarks:
            self.remarks.append(found)

    def unoriented(self, why: str, got: str = "") -> None:
        """Note that nothing tells which way is left, front or up."""
        self.space = Space.SIZES
        self.remark(f"the orientation is unknown: {why}", got, _ORIENT)

    def settled(self, value: _Value | None) -> _Value:
        """A value that was read without a problem. Raises `InputError` with all problems of the header."""
        self._findings.raise_if_any()
        if value is None:
            raise AssertionError("a value without its problem")
        return value

    def required(self, name: str, expected: str) -> str | None:
        """An entry's text; a problem where there is none."""
        if name in self._values:
            return self._values[name]
        self.refuse(name, "no such entry", expected)
        return None

    def chosen(
        self, name: str, known: Mapping[str, _Value], expected: str, default: str | None = None
    ) -> _Value | None:
        """What an entry's word, in lower case, means; a problem where that is unknown."""
        text = self.required(name, expected) if default is None else self._values.get(name, default)
        if text is None:
            return None
        word = " ".join(text.lower().split())
        if word not in known:
            self.refuse(name, text or "nothing", expected)
            return None
        return known[word]

    def sizes(self, name: str, expected: str) -> tuple[int, ...] | None:
        """Whole numbers above 0."""
        text = self.required(name, expected)
        if text is None:
            return None
        words = text.split()
        if not words or not all(re.fullmatch(r"[1-9][0-9]{0,17}", word) for word in words):
            self.refuse(name, text or "nothing", expected)
            return None
        return tuple(map(int, words))

    def numbers(self, name: str, count: int, expected: str) -> np.ndarray | None:
        """As many finite numbers as there should be."""
        text = self.required(name, expected)
        if text is None:
            return None
        values = numbers_in(text)
        if values is None or values.size != count or not np.isfinite(values).all():
            self.refuse(name, text or "nothing", expected)
            return None
        return values

    def spacings(self, name: str, count: int) -> np.ndarray | None:
        """As many numbers above 0 as there are axes."""
        expected = f"{count} numbers above 0, the size of a voxel along each axis"
        values = self.numbers(name, count, expected)
        if values is None or (values > 0).all():
            return values
        self.refuse(name, self[name], expected)
        return None


def numbers_in(text: str) -> np.ndarray | None:
    """The numbers of a text, NaN and infinity among them; None where a word is none."""
    words = text.split()
    if not all(_NUMBER.fullmatch(word) for word in words):
        return None
    return np.array([float(word) for word in words], dtype=np.float64)


def next_line(path: Path, stream: BinaryIO) -> str | None:
    """The next line of a header, without its end; None behind the last one."""
    line = stream.readline(_LONGEST)
    if stream.tell() >= _LONGEST:
        raise unreadable(path, f"a header of more than {_LONGEST:,} bytes", AGAIN)
    if not line:
        return None
    try:
        return line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip("\r\n")
