"""A study as a text with comments, entry by entry."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_WIDTH, _MOST_NAME = 118, 64


@dataclass(frozen=True)
class Entry:
    """Some lines of a study, and why they are as they are.

    Attributes:
        key: what of the study they decide, such as `patches`.
        lines: of YAML; of an entry of a list, with its indentation.
        reason: a sentence without its full stop, or nothing.
    """

    key: str
    lines: tuple[str, ...]
    reason: str = ""

    @property
    def text(self) -> str:
        """The comment above the lines."""
        indent = " " * (len(self.lines[0]) - len(self.lines[0].lstrip())) if self.lines else ""
        return "\n".join([*_comment(self.reason, indent), *self.lines])


def study_of(heading: str, entries: Iterable[Entry]) -> str:
    """The text of a study."""
    return "\n".join([*_comment(heading, ""), *(entry.text for entry in entries)]) + "\n"


def slug(name: str, otherwise: str) -> str:
    """A name as a study may have it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MOST_NAME].strip("-") or otherwise


def plain(name: str) -> str:
    """A file's name that can stand in a comment."""
    return re.sub(r"[^\w.+ -]", "_", name)[:_MOST_NAME]


def _comment(text: str, indent: str) -> Iterator[str]:
    start = f"{indent}# "
    if text:
        yield from textwrap.wrap(
            f"{text}.", _WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False
        )
