"""The one place where text becomes output: what a terminal or a page would obey, hide or turn round shows as an escape.

Much of what people read here holds text that somebody else chose: an invitation, an error about a file that was sent, a
certificate's name. A line says what it seems to say only if none of its characters moves the cursor, ends the line,
changes the direction of reading, or is not seen at all. So every line goes out through `say`, and every other sink
(pages, logs, JSON, Python's own tracebacks) through a function of this module.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from types import TracebackType
from typing import Any, TextIO

_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
"""Characters that count as letters or marks and yet show nothing: fillers, variation selectors, blanks, tags."""

_HIDDEN = re.compile(f"[{_UNSEEN}]")
_SUSPECT = re.compile("[^ -~]")
_SUSPECT_IN_JSON = re.compile("[^\x00-\x7e]")


def printable(text: str) -> str:
    """The text on one line, with visible escapes (`\\x1b`, `\\n`, `\\u202e`) for what could not be seen as it is."""
    return _SUSPECT.sub(_shown, text)


def printable_lines(text: str) -> str:
    """Text of the program's own lines, such as a traceback: every line printable, the lines kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def say_text(text: str) -> None:
    """Print a text of several lines that the program itself has laid out; only its own line ends are obeyed."""
    say(*text.split("\n"))


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, each of them printable and on a line of its own; to standard output unless `file` is given."""
    print("\n".join(printable(line) for line in lines), file=file, flush=True)


def complain(*lines: str) -> None:
    """`say` on standard error."""
    say(*lines, file=sys.stderr)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of a value whose text is readable, with JSON's own escapes for all that is not printable."""
    return _SUSPECT_IN_JSON.sub(_json_escape, json.dumps(value, ensure_ascii=False, indent=indent))


def say_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on standard output."""
    print(json_text(value, indent), flush=True)


def guard_tracebacks() -> None:
    """Make what Python itself prints printable: the traceback of a defect, and warnings of the logging module."""
    sys.excepthook = _show_defect
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_PrintableFormatter())


class _PrintableFormatter(logging.Formatter):
    """Plain messages, and tracebacks, whose lines are printable."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as printable lines."""
        return printable_lines(super().format(record))


def _show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    complain(*"".join(traceback.format_exception(kind, error, trace)).rstrip("\n").split("\n"))


def _is_seen(character: str) -> bool:
    return character.isprintable() and not _HIDDEN.match(character)


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    return character if _is_seen(character) else character.encode("unicode_escape").decode("ascii")


def _json_escape(match: re.Match[str]) -> str:
    character = match[0]
    # A lone surrogate cannot be encoded; JSON's escape for it is the same four digits.
    return character if _is_seen(character) else json.dumps(character)[1:-1]
