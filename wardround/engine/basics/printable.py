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
import threading
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TextIO

_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
"""Characters that count as letters or marks and yet show nothing: fillers, variation selectors, blanks, tags."""

_HIDDEN = re.compile(f"[{_UNSEEN}]")
_MOST_MARKS = 4
"""No script needs more marks on one letter; hundreds of them are drawn over the lines above and below."""
_LAST_PLAIN = "~"


def printable(text: str) -> str:
    """The text on one line, with visible escapes (`\\x1b`, `\\n`, `\\u202e`) for what could not be seen as it is."""
    return text if text.isascii() and text.isprintable() else "".join(_escaped(text, _visible_escape))


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
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isascii() and "\x7f" not in text:
        return text
    # The only controls that JSON leaves are the ends of its own lines.
    return "\n".join("".join(_escaped(line, _json_escape)) for line in text.split("\n"))


def say_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON on standard output."""
    print(json_text(value, indent), flush=True)


def guard_tracebacks() -> None:
    """Make what Python itself prints printable: tracebacks of the program and its threads, warnings, and log lines."""
    sys.excepthook = _show_defect
    threading.excepthook = _show_defect_of_thread
    sys.unraisablehook = _show_unraisable
    warnings.showwarning = _show_warning
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(PrintableFormatter())


class PrintableFormatter(logging.Formatter):
    """Plain messages, and tracebacks, whose lines are printable."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as printable lines."""
        return printable_lines(super().format(record))


def _show_defect_of_thread(defect: threading.ExceptHookArgs) -> None:
    if defect.exc_type is SystemExit:
        return
    complain(f"defect in thread {defect.thread.name if defect.thread else 'unknown'}:")
    if defect.exc_value is not None:
        _show_defect(defect.exc_type, defect.exc_value, defect.exc_traceback)


def _show_unraisable(defect: sys.UnraisableHookArgs) -> None:
    complain(f"{defect.err_msg or 'defect that nobody could handle'}: {defect.object!r}")
    if defect.exc_value is not None:
        _show_defect(defect.exc_type, defect.exc_value, defect.exc_traceback)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: object, **__: object
) -> None:
    complain(f"{filename}:{lineno}: {category.__name__}: {message}")


def _show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    complain(*"".join(traceback.format_exception(kind, error, trace)).rstrip("\n").split("\n"))


def _escaped(text: str, escape: Callable[[str], str]) -> Iterator[str]:
    marks = 0
    for character in text:
        if " " <= character <= _LAST_PLAIN:
            marks = 0
            yield character
            continue
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        is_seen = character.isprintable() and not _HIDDEN.match(character) and marks <= _MOST_MARKS
        yield character if is_seen else escape(character)


def _visible_escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    # A lone surrogate cannot be encoded; JSON's escape for it is the same four digits.
    return json.dumps(character)[1:-1] if character > _LAST_PLAIN else character
