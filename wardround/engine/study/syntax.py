"""Why a file cannot be read as YAML, in words: the line, what stands there, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, ScalarNode
from ruamel.yaml.reader import ReaderError

from wardround.engine.basics.problems import Problem
from wardround.engine.study.copied import NO_TABS, TAB

_WHAT = "this is not YAML"
_LONGEST = 80
_KEY = re.compile(r"\s*(?:- +)?(\"[^\"]*\"|'[^']*'|[^\s:#\"'\[\]{},]+)\s*:(?=\s|$)")
_NO_BLANK = re.compile(r"\s*(?:- +)?([A-Za-z_][\w-]*):([^\s:/].*)")
_NO_COLON = re.compile(r"\s*(?:- +)?([A-Za-z_][\w-]*) +(\S.*)")
_DATE = re.compile(r"(?<!\d)\d{4}-\d{1,2}-\d{1,2}(?!\d)")
_MANY_DIGITS = re.compile(r"\d{4000}")
_SEPARATORS = (",", ";", "\t")
_TABLE_COMMAS = 1
_USUAL = "`key: value` on each line, `- entry` for lists, two blanks more for each level"


@dataclass(frozen=True)
class _Fault:
    """Where the parser stopped.

    Attributes:
        lines: of the text.
        said: the parser's own words.
        context: what it was reading then.
        line: counted from 0, where it stopped.
        start: counted from 0, where that which it was reading begins.
        column: counted from 0.
    """

    lines: list[str]
    said: str
    context: str
    line: int
    start: int
    column: int

    @property
    def text(self) -> str:
        """The line where it stopped."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def first(self) -> str:
        """The line where that begins which was being read."""
        return self.lines[self.start] if self.start < len(self.lines) else ""

    @property
    def before(self) -> int:
        """The number of the last line with content before the one where it stopped."""
        numbers = range(min(self.line, len(self.lines)) - 1, -1, -1)
        return next((n for n in numbers if self.lines[n].strip() and not self.lines[n].lstrip().startswith("#")), 0)


@dataclass(frozen=True)
class _Finding:
    """What is wrong in a line, counted from 0."""

    line: int
    what: str
    expected: str
    remedy: str


def syntax_problem(text: str, path: Path, error: YAMLError | ValueError) -> Problem:
    """What to tell of text that the parser refused."""
    if (table := table_problem(text, path)) is not None:
        return table
    lines = text.splitlines()
    found = _unreadable_value(lines) if not isinstance(error, YAMLError) else _of_reader(text, error)
    if isinstance(error, MarkedYAMLError):
        fault = _fault(lines, error)
        found = next(filter(None, (rule(fault) for rule in _RULES)), None) or _otherwise(fault)
    found = found or _Finding(0, _WHAT, _USUAL, "Compare the file with an example from the documentation")
    return _problem(found, lines, path)


def repeated_keys(text: str, path: Path) -> list[Problem]:
    """What to tell of each key that stands twice in one section, wherever in the file."""
    root = YAML(typ="rt").compose(text)
    return [
        Problem(
            "a key stands twice",
            where=f"{path.name}:{line + 1}",
            got=f"`{key}` again; it stands on line {first + 1} already",
            expected="each key once in a section",
            remedy="Remove one of the two",
        )
        for line, key, first in sorted(_repeated(root, set()))
    ]


def _repeated(node: Any, seen: set[int]) -> Iterator[tuple[int, str, int]]:
    """Line and name of each key that stands in its section already, and the line of the first, all counted from 0."""
    if id(node) in seen or not isinstance(node, CollectionNode):
        return
    seen.add(id(node))
    is_mapping, first = isinstance(node, MappingNode), dict[str, int]()
    for key, value in node.value if is_mapping else ((None, item) for item in node.value):
        if isinstance(key, ScalarNode):
            line = key.start_mark.line
            if key.value in first:
                yield line, key.value, first[key.value]
            first.setdefault(key.value, line)
        yield from _repeated(value, seen)


def table_problem(text: str, path: Path) -> Problem | None:
    """What to tell of a table in the place of a YAML file; None where it is none."""
    lines = [line for line in text.splitlines() if line.strip()][:3]
    commas = next((s for s in _SEPARATORS if len(lines) > 1 and lines[0].count(s) >= _TABLE_COMMAS), None)
    is_table = commas is not None and len({line.count(commas) for line in lines}) == 1
    if not is_table or any(_KEY.match(line) for line in lines):
        return None
    return Problem(
        "this is a table, not a YAML file",
        where=path.name,
        got=_shown(lines[0]),
        expected="lines of the form `key: value`",
        remedy="Name the YAML file here; a table of cases is named with `--manifest`, or `manifest:` in site.yaml",
    )


def _fault(lines: list[str], error: MarkedYAMLError) -> _Fault:
    mark, start = error.problem_mark, error.context_mark
    line = mark.line if mark is not None else 0
    said, context = str(error.problem or ""), str(error.context or "")
    return _Fault(lines, said, context, line, start.line if start else line, mark.column if mark else 0)


def _tab(fault: _Fault) -> _Finding | None:
    return _Finding(fault.line, TAB, "blanks", NO_TABS) if "'\\t'" in fault.said else None


def _quotation(fault: _Fault) -> _Finding | None:
    if "quoted scalar" in fault.context and "end of stream" not in fault.said and "\\" in fault.text:
        what, remedy = "a backslash in double quotation marks", "Write it in single quotation marks, or paths with /"
        return _Finding(fault.line, f"{_WHAT}: {what} means something else", "no backslash there", remedy)
    if "quoted scalar" not in fault.context:
        return None
    mark = "'" if "'" in fault.first else '"'
    what = f"{_WHAT}: a quotation mark is opened here and not closed"
    return _Finding(fault.start, what, f"a second {mark}", f"Close it with {mark} at the end of the text")


def _second_colon(fault: _Fault) -> _Finding | None:
    if "mapping values are not allowed" not in fault.said:
        return None
    key = _KEY.match(fault.text)
    if key is not None and fault.column > key.end():
        rest = fault.text[key.end() :].strip()
        quoted = rest[:_LONGEST].replace("'", "''")
        remedy = f"Put the text in quotation marks: `{key[1]}: '{quoted}'`"
        return _Finding(fault.line, f"{_WHAT}: there are two colons in one line", "one `key: value` on a line", remedy)
    return _unlike_a_key(fault, fault.before) or _Finding(
        fault.line,
        f"{_WHAT}: this line is indented further than the one above, which has a value already",
        f"{_indent(fault.lines[fault.before])} blanks before the key, as above",
        "Begin it in the same column as the line above, or let the line above end in its colon",
    )


def _no_colon(fault: _Fault) -> _Finding | None:
    return _unlike_a_key(fault, fault.start) if "could not find expected ':'" in fault.said else None


def _unlike_a_key(fault: _Fault, number: int) -> _Finding | None:
    line = fault.lines[number]
    if found := _NO_BLANK.match(line):
        remedy = f"Write `{found[1]}: {found[2].strip()}`"
        return _Finding(number, f"{_WHAT}: there is no blank after the colon", "`key: value`", remedy)
    if _KEY.match(line) or line.lstrip().startswith("- "):
        return None
    words = _NO_COLON.match(line)
    remedy = f"Write `{words[1]}: {words[2].lstrip('= ')}`" if words else "Write `key: value`"
    return _Finding(number, f"{_WHAT}: there is no colon in this line", "`key: value`", remedy)


def _brackets(fault: _Fault) -> _Finding | None:
    if found := re.search(r"expected ',' or '([\]}])'", fault.said):
        if found[1] in fault.first:
            what, remedy = f"{_WHAT}: a comma is missing in this line", "Part the entries by commas"
            return _Finding(fault.start, what, "entries parted by commas", remedy)
        what = f"{_WHAT}: a bracket is opened here and not closed"
        return _Finding(fault.start, what, f"entries parted by commas, then {found[1]}", f"Close it with {found[1]}")
    if found := re.search(r"but found '([\]},])'", fault.said):
        what = f"{_WHAT}: there is a {found[1]} too many in this line"
        return _Finding(
            fault.line,
            what,
            "one comma between entries, and a bracket for each opened one",
            f"Take the surplus {found[1]} out",
        )
    return None


def _indentation(fault: _Fault) -> _Finding | None:
    if "expected <block end>" not in fault.said:
        return None
    if fault.said.endswith(("'?'", "'-'", "'<block sequence start>'")):
        return _Finding(
            fault.line,
            f"{_WHAT}: a list and keys stand side by side",
            "either `- entry` lines or `key: value` lines in a section",
            "Indent the entries of a list by two blanks under their key, and name the key above them",
        )
    if _indent(fault.text) == fault.column:
        return _Finding(
            fault.line,
            f"{_WHAT}: this line is indented unlike the others of its section",
            "the same number of blanks before all keys of a section",
            f"It begins with {fault.column} blanks, its section with {_indent(fault.first)}; make them equal, or "
            "indent it as far as the keys above it",
        )
    return _Finding(fault.line, f"{_WHAT}: something follows that does not belong here", _USUAL, _QUOTE)


_QUOTE = "If it is one text, put all of it in quotation marks"


def _signs(fault: _Fault) -> _Finding | None:
    sign = re.search(r"found character '(.)' that cannot start|found undefined alias|found undefined tag", fault.said)
    if sign is None and "scanning a directive" not in fault.context and "alias" not in fault.context:
        return None
    return _Finding(
        fault.line, f"{_WHAT}: a text cannot begin with this sign", "a letter or digit, or quotation marks", _QUOTE
    )


def _two_documents(fault: _Fault) -> _Finding | None:
    if "another document" not in fault.said:
        return None
    remedy = "Take out the line `---`, or put what follows it in a file of its own"
    return _Finding(fault.line, f"{_WHAT} of one piece: a second document begins here", "one document", remedy)


def _otherwise(fault: _Fault) -> _Finding:
    remedy = "Compare the line and the one above it with an example; " + _QUOTE[0].lower() + _QUOTE[1:]
    return _Finding(min(fault.line, max(0, len(fault.lines) - 1)), f"{_WHAT}: this line does not fit", _USUAL, remedy)


_RULES: tuple[Callable[[_Fault], _Finding | None], ...] = (
    _tab,
    _quotation,
    _second_colon,
    _no_colon,
    _brackets,
    _indentation,
    _two_documents,
    _signs,
)


def _of_reader(text: str, error: YAMLError) -> _Finding | None:
    """A character that no text has."""
    if not isinstance(error, ReaderError):
        return None
    line = text[: error.position].count("\n")
    what = f"{_WHAT}: there is a character that cannot be seen"
    return _Finding(line, what, "text", "Delete this line and type it again")


def _unreadable_value(lines: list[str]) -> _Finding | None:
    """A number or date that only looks like one."""
    for number, line in enumerate(lines):
        if _MANY_DIGITS.search(line):
            return _Finding(number, "this number is too long", "a number of a few digits", "Correct the number")
        if _DATE.search(line):
            return _Finding(number, "there is no such day", "a date, or text in quotation marks", _QUOTE)
    tagged = next((number for number, line in enumerate(lines) if "!!" in line), 0)
    return _Finding(tagged, "this value is not what its mark `!!` says", "plain values", "Take the mark `!!` out")


def _problem(found: _Finding, lines: list[str], path: Path) -> Problem:
    got = _shown(lines[found.line]) if found.line < len(lines) else "such a blank"
    return Problem(found.what, f"{path.name}:{found.line + 1}", got, found.expected, found.remedy)


def _shown(line: str) -> str:
    text = line.strip(" \r\n").replace("\t", "<tab>")
    return f"`{text[:_LONGEST]}{' ...' if len(text) > _LONGEST else ''}`"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
