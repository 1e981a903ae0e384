"""Problems in the user's words: what, where, got, expected, what to do. Collected, so that all are reported at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from wardround.engine.basics.printable import printable

_LONGEST = 1000
_TAIL = 200
"""Of a text that is cut, what stays of its end: there stands what a system says of a name."""
_LEAST_SHORTENED = 3
"""Letters of a word that may be short for another one."""
_LEAST_ALIKE = 0.55
_BEHIND_THE_BEST = 0.15
_SUGGESTED = 3
"""The names that a word may stand for: how much of it each shares, how far behind the closest one, and how many."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        what: one clause, such as "unknown key".
        where: file and line, key, table row or case, as the user would name it.
        got: the offending value, if there is one.
        expected: what would have been right.
        remedy: what to do, if that is not obvious from `expected`.
    """

    what: str
    where: str = ""
    got: str = ""
    expected: str = ""
    remedy: str = ""

    def render(self) -> str:
        """The problem as one printable paragraph: `where: what (got ...; expected ...). Remedy.`"""
        where, what, got = (_shortened(text) for text in (self.where, self.what, self.got))
        head = f"{where}: {what}" if where else what
        details = (("got", got), ("expected", self.expected))
        body = "; ".join(f"{word} {value}" for word, value in details if value)
        sentences = (f"{head} ({body})" if body else head, self.remedy)
        return printable(" ".join(_with_stop(sentence) for sentence in sentences if sentence))


def _shortened(text: str) -> str:
    """A text that may be somebody else's, so that it cannot push everything else off the screen."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - _TAIL]} ... ({len(text):,} characters) ... {text[-_TAIL:]}"


def _with_stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."


class InputError(Exception):
    """Bad input. Carries every problem found; commands print them without a traceback and exit with code 2."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))

    @classmethod
    def one(cls, what: str, **details: str) -> Self:
        """An error with a single problem."""
        return cls([Problem(what, **details)])


@dataclass
class Findings:
    """Collects problems while a file or a cohort is read, then raises them together."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, what: str, *, where: str = "", got: str = "", expected: str = "", remedy: str = "") -> None:
        """Note one problem and go on."""
        self.problems.append(Problem(what, where, got, expected, remedy))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note the problems that another check found."""
        self.problems.extend(problems)

    @contextmanager
    def gather(self) -> Iterator[None]:
        """Run a block; an `InputError` inside becomes findings instead of ending the check."""
        try:
            yield
        except InputError as error:
            self.extend(error.problems)

    def raise_if_any(self) -> None:
        """Raise one `InputError` with all problems, if there are any."""
        if self.problems:
            raise InputError(self.problems)


def closest(word: str, known: Iterable[str]) -> list[str]:
    """The known words that a word may stand for, the likeliest first: the one that it shortens, or those like it."""
    names = sorted({str(name) for name in known})
    if len(word) >= _LEAST_SHORTENED:
        whole = [name for name in names if name.lower().startswith(word.lower())]
        if len(whole) == 1:
            return whole
    likeness = {name: difflib.SequenceMatcher(None, name.lower(), word.lower()).ratio() for name in names}
    # Beside a name that is nearly the word, one that shares half of its letters by chance would only confuse.
    least = max(_LEAST_ALIKE, max(likeness.values(), default=0.0) - _BEHIND_THE_BEST)
    close = [name for name in names if likeness[name] >= least]
    return sorted(close, key=lambda name: -likeness[name])[:_SUGGESTED]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A remedy that names the closest known words, or what the word shortens; or lists them when none is close."""
    names = sorted({str(name) for name in known})
    matches = closest(word, names)
    if matches:
        return f"Did you mean {' or '.join(repr(name) for name in matches)}?"
    return f"Write one of these: {', '.join(names)}" if names else ""
