"""What a mail, a web page or a word processor leaves in a text that is copied from it, and the text as it was meant.

YAML takes curly quotation marks, dashes and blanks of print for letters, and mostly says nothing. Each kind is told
once, with all its lines; the text is then read as it was meant, so that what else is wrong is told in the same pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Problem

TAB = "this is not YAML: a tab stands where YAML wants blanks"
NO_TABS = "Replace each tab by blanks, two for each level; most editors can do that for the whole file"
_LONGEST = 80
_DOUBLE, _SINGLE = "“”„‟«»″＂", "‘’‚‛`´′＇"
_DASH = "‐‑‒–—―−"
_BLANK = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSEEN = "\u00ad\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
_QUOTED = re.compile(r"(?:^|(?<=[\s:\[,{-]))(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*')")
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_BLOCK = re.compile(r"(?::|^\s*-)\s+[|>][+-]?\d?\s*(?:#.*)?$")
_MAIL = re.compile(r" ?((?:(?:&gt;|[>|])[ \u00a0]?)+)(.*)")
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\s*[\w-]*\s*")
_CURLY = re.compile(rf"(?:^|[:\[,{{]|^\s*-)\s*[{_DOUBLE}{_SINGLE}]")
_BULLET = re.compile(rf"(\s*)([•‣▪◦·*{_DASH}])(?=[ \t\u00a0]+\S)")
_NUMBER = re.compile(
    rf"(?:[:\[,{{]|^\s*-)\s*([{_DASH}+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][{_DASH}+-]?\d+)?)\s*(?=[,\]}}#]|$)"
)
_DASHES = re.compile(f"[{_DASH}]")
_WIDE = re.compile(r"^\s*(?:- )?\w+\s*(：)|[\[{].*(，)")
_ENTITY = re.compile(r"&(?:quot|nbsp|gt|lt|amp|apos|#\d+);")
_TAB = re.compile(r"^ *\t|[:-]\t|\t\s*(?:#|$)")
_MEANT = {"&quot;": '"', "&nbsp;": " ", "&gt;": ">", "&lt;": "<", "&amp;": "&", "&apos;": "'", "&#39;": "'"}
_SHOWN = {"\t": "<tab>", "\u00a0": "<no-break space>", "\u200b": "<zero-width space>", "\ufeff": "<byte order mark>"}


@dataclass(frozen=True)
class Copied:
    """A text as it was meant.

    Attributes:
        text: with the signs that YAML knows, line for line.
        problems: what stood there instead, each kind once.
        places: every line of which one of them tells, as in `study.yaml:7`.
    """

    text: str
    problems: tuple[Problem, ...]
    places: frozenset[str]

    def tells_of(self, problem: Problem) -> bool:
        """Whether the line of another problem has been told of already."""
        return problem.where.partition(",")[0] in self.places


@dataclass(frozen=True)
class _Kind:
    """A kind of sign that YAML does not know.

    Attributes:
        what: one clause.
        expected: what would have been right.
        remedy: what to do, told of the signs that were found.
        mend: the line as it was meant; the same line where there is nothing of the kind.
        show: what is found in a line.
    """

    what: str
    expected: str
    remedy: Callable[[list[str]], str]
    mend: Callable[[str], str]
    show: Callable[[str], list[str]]


def as_meant(text: str, path: Path) -> Copied:
    """The text without what was copied along with it. Tabs stay: YAML allows them in some places."""
    lines = _without_quoting(text)
    head = [_quoting_problem(text, lines, path)] if lines != text.splitlines() else []
    told = {number for number, (old, new) in enumerate(zip(text.splitlines(), lines, strict=True), 1) if old != new}
    for kind in _KINDS:
        lines, found, at = _mended(kind, lines, path)
        head += found
        told |= at
    return Copied("\n".join(lines) + "\n" if head else text, tuple(head), frozenset(_place(path, [n]) for n in told))


def without_tabs(text: str, path: Path) -> Copied:
    """The text with two blanks for each tab where YAML wants blanks."""
    lines, problems, at = _mended(_TABS, text.splitlines(), path)
    return Copied("\n".join(lines) + "\n", tuple(problems), frozenset(_place(path, [n]) for n in at))


def is_of_tabs(problems: tuple[Problem, ...]) -> bool:
    """Whether the parser stopped at a tab."""
    return any(problem.what == TAB for problem in problems)


def _mended(kind: _Kind, lines: list[str], path: Path) -> tuple[list[str], list[Problem], set[int]]:
    after = [kind.mend(line) for line in lines]
    at = [number for number, (old, new) in enumerate(zip(lines, after, strict=True), 1) if old != new]
    if not at:
        return lines, [], set()
    signs = list(dict.fromkeys(sign for number in at for sign in kind.show(lines[number - 1])))
    got = _shown(lines[at[0] - 1]) + (" and so on" if len(at) > 1 else "")
    return after, [Problem(kind.what, _place(path, at), got, kind.expected, kind.remedy(signs))], set(at)


def _without_quoting(text: str) -> list[str]:
    """The lines without the `> ` of a quoted mail; in a text of several lines such a sign may be its own."""
    lines = text.splitlines()
    if any(_BLOCK.search(line) for line in lines if not _MAIL.fullmatch(line)):
        return lines
    found = [match for line in lines if (match := _MAIL.fullmatch(line))]
    has_blank = all(match[1].endswith((" ", "\u00a0")) for match in found if match[2])
    return [_unquoted(line, has_blank=has_blank) for line in lines]


def _unquoted(line: str, *, has_blank: bool) -> str:
    found = _MAIL.fullmatch(line)
    if found is None:
        return line
    return found[2] if has_blank or not found[1].endswith((" ", "\u00a0")) else f" {found[2]}"


def _quoting_problem(text: str, after: list[str], path: Path) -> Problem:
    old = text.splitlines()
    at = [number for number, (before, now) in enumerate(zip(old, after, strict=True), 1) if before != now]
    sign = next(iter(re.findall(r"&gt;|[>|]", old[at[0] - 1])))
    return Problem(
        f"lines begin with the `{sign}` of a quoted mail"
        if len(at) > 1
        else f"this line begins with a mail's `{sign}`",
        _place(path, at),
        _shown(old[at[0] - 1]) + (" and so on" if len(at) > 1 else ""),
        "lines as they stood in the file",
        f"Remove the mail's `{sign} ` at the beginnings of lines, or have the file sent as an attachment",
    )


def _masked(line: str) -> str:
    """The line with neutral signs for what stands in quotation marks and in a comment."""
    line = _QUOTED.sub(lambda found: "_" * len(found[0]), line)
    return _COMMENT.sub(lambda found: "#" * len(found[0]), line)


def _where_plain(line: str, change: Callable[[str], str]) -> str:
    """A line changed sign by sign, without what stands in quotation marks and in a comment."""
    return "".join(change(sign) if seen == sign else sign for sign, seen in zip(line, _masked(line), strict=True))


def _plain_quotes(line: str) -> str:
    if not _CURLY.search(_masked(line)):
        return line
    return _where_plain(line, lambda sign: '"' if sign in _DOUBLE else "'" if sign in _SINGLE else sign)


def _where_it_parts(signs: str) -> re.Pattern[str]:
    """One of the signs beside what YAML parts a line by, or within a key; within a text it may be the text's own."""
    odd = f"[{signs}]"
    beside = rf"^\s*{odd}|:{odd}|^\s*-{odd}|{odd}\s*(?:#|$)|[\[{{](?:.*,)?{odd}|{odd}[,\]}}]"
    return re.compile(rf"^[\w \t-]*{odd}[^:\"']*:|{beside}")


_BLANKS, _HIDDEN = _where_it_parts(_BLANK), _where_it_parts(_UNSEEN)


def _plain_blanks(line: str) -> str:
    if not _BLANKS.search(_masked(line)):
        return line
    return _where_plain(line, lambda sign: re.sub(f"[{_BLANK}]", " ", sign))


def _nothing_hidden(line: str) -> str:
    if not _HIDDEN.search(_masked(line)):
        return line
    return _where_plain(line, lambda sign: re.sub(f"[{_UNSEEN}]", "", sign))


def _plain_numbers(line: str) -> str:
    for start, end in [match.span(1) for match in _NUMBER.finditer(_masked(line))]:
        line = line[:start] + _DASHES.sub("-", line[start:end]) + line[end:]
    return line


def _dashed_numbers(line: str) -> list[str]:
    numbers = [match[1] for match in _NUMBER.finditer(_masked(line))]
    return [_DASHES.sub("-", number) for number in numbers if _DASHES.search(number)]


def _plain_entries(line: str) -> str:
    return _BULLET.sub(r"\1-", line, count=1) if _BULLET.match(line) else line


def _plain_entities(line: str) -> str:
    return _ENTITY.sub(lambda found: _MEANT.get(found[0], " "), line) if _ENTITY.search(_masked(line)) else line


def _plain_wide(line: str) -> str:
    return line.replace("：", ": ").replace("，", ", ") if _WIDE.search(_masked(line)) else line


def _tabs_away(line: str) -> str:
    return _where_plain(line, lambda sign: "  " if sign == "\t" else sign) if _TAB.search(_masked(line)) else line


def _listed(signs: list[str]) -> str:
    return ", ".join(f"`{sign}`" for sign in signs[:6])


_KINDS = (
    _Kind(
        "a fence around code, as chats and web pages have it, is no part of the file",
        "lines of the form `key: value`",
        lambda _: "Remove such lines",
        lambda line: "" if _FENCE.fullmatch(line) else line,
        lambda _: [],
    ),
    _Kind(
        "a sign is written as web pages write it",
        "the sign itself",
        lambda signs: (
            f"Write {', '.join(f'`{_MEANT[sign]}` for `{sign}`' for sign in signs if sign in _MEANT)}"
            if any(sign in _MEANT for sign in signs)
            else "Write the sign itself"
        ),
        _plain_entities,
        lambda line: _ENTITY.findall(line),
    ),
    _Kind(
        "a blank is none for YAML",
        "plain blanks",
        lambda _: (
            "Type these blanks again, or have the editor replace them all by plain ones; they were copied from a "
            "mail, a web page or a word processor"
        ),
        _plain_blanks,
        lambda _: [],
    ),
    _Kind(
        "there is a sign that cannot be seen",
        "signs that can be seen",
        lambda _: "Type these words again; the sign was copied from a mail, a web page or a word processor",
        _nothing_hidden,
        lambda _: [],
    ),
    _Kind(
        "these are no quotation marks for YAML",
        "plain quotation marks",
        lambda _: "Write plain quotation marks (\" or '), or none at all",
        _plain_quotes,
        lambda _: [],
    ),
    _Kind(
        "an entry of a list begins with another sign than a hyphen",
        "`- entry`",
        lambda signs: f"Write the hyphen of the keyboard, `-`, for {_listed(signs)}",
        _plain_entries,
        lambda line: [found[2] for found in [_BULLET.match(line)] if found],
    ),
    _Kind(
        "a dash stands in a number in the place of a minus sign",
        "the hyphen of the keyboard, `-`",
        lambda signs: f"With the hyphen of the keyboard this is {_listed(signs)}",
        _plain_numbers,
        _dashed_numbers,
    ),
    _Kind(
        "a colon or comma of full width is none for YAML",
        "`:` and `,` with a blank behind",
        lambda _: "Type these signs again with a Latin keyboard",
        _plain_wide,
        lambda _: [],
    ),
)
_TABS = _Kind(
    TAB,
    "blanks",
    lambda _: NO_TABS,
    _tabs_away,
    lambda _: [],
)


def _place(path: Path, numbers: list[int]) -> str:
    """`study.yaml:7`, or `study.yaml, lines 7-9, 11 and 15`."""
    if len(numbers) == 1:
        return f"{path.name}:{numbers[0]}"
    runs = list(_runs(numbers))
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in runs]
    return f"{path.name}, lines {' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1])))}"


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _shown(line: str) -> str:
    text = "".join(_SHOWN.get(sign, sign) for sign in line.strip(" \r\n"))
    return f"`{text[:_LONGEST]}{' ...' if len(text) > _LONGEST else ''}`"
