"""Problems on a terminal or in a log: those of one kind together, the first of them in full."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from wardround.engine.basics.printable import complain, printable, say_json
from wardround.engine.basics.problems import Problem

_MOST_ALONE = 5
"""So many problems of one kind are told one by one."""
_SHOWN = 3
_VARIES = re.compile(r"'[^']*'|`[^`]*`|\d[\d.,]*")
"""What may differ between problems of one kind: names and numbers."""


def show_problems(problems: Sequence[Problem], *, as_json: bool, offers_json: bool = True) -> None:
    """Print problems: all as one JSON object on standard output, or as text, grouped by kind, on standard error.

    `offers_json` is whether the command has a `--json` that would list those that are only counted.
    """
    if as_json:
        say_json({"problems": [asdict(problem) for problem in problems]})
        return
    groups = list(_groups(problems))
    if sys.stderr.isatty():
        _show_in_colour(len(problems), groups, offers_json)
        return
    for group in groups:
        head, *rest = _lines(group, offers_json=offers_json)
        complain(f"error: {head}", *rest)


def _groups(problems: Sequence[Problem]) -> Iterator[tuple[Problem, ...]]:
    """Problems of one kind together where there are many, in the order in which the first of each kind was found."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(_kind(problem), []).append(problem)
    told: set[str] = set()
    for problem in problems:
        kind = _kind(problem)
        if len(kinds[kind]) <= _MOST_ALONE:
            yield (problem,)
        elif kind not in told:
            told.add(kind)
            yield tuple(kinds[kind])


def _kind(problem: Problem) -> str:
    return _VARIES.sub("...", problem.what)


def _lines(group: tuple[Problem, ...], *, offers_json: bool) -> list[str]:
    """One problem in a line; or many in a heading, a line for each of the first, and how many more there are."""
    first = group[0]
    if len(group) == 1:
        return [first.render()]
    what, expected, remedy = (_common(group, name) for name in ("what", "expected", "remedy"))
    head = Problem(f"{len(group)} times: {what or _kind(first)}", "", "", expected, remedy)
    shown = [_row(problem, what=what, expected=expected, remedy=remedy) for problem in group[:_SHOWN]]
    more = f"  and {len(group) - _SHOWN:,} more of this kind{'; `--json` lists all' if offers_json else ''}"
    return [head.render(), *shown, more]


def _common(group: tuple[Problem, ...], name: str) -> str:
    """What all problems of a group say; empty where they differ."""
    found = {getattr(problem, name) for problem in group}
    return str(found.pop()) if len(found) == 1 else ""


def _row(problem: Problem, *, what: str, expected: str, remedy: str) -> str:
    """One problem of a group, without what stands in the heading already."""
    left = replace(
        problem,
        where="",
        what=f"{problem.where}: {problem.what}" if not what and problem.where else problem.where or problem.what,
        expected="" if expected else problem.expected,
        remedy="" if remedy else problem.remedy,
    )
    return f"  {left.render()}"


def _show_in_colour(count: int, groups: Sequence[tuple[Problem, ...]], offers_json: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    console.print(Text("1 problem" if count == 1 else f"{count:,} problems", style="bold red"))
    for group in groups:
        head, *rest = _lines(group, offers_json=offers_json)
        shown = _coloured(group[0], head) if len(group) == 1 else Text(head, style="bold")
        console.print(Text.assemble(("• ", "red"), shown))
        for line in rest:
            console.print(Text(printable(line)))


def _coloured(problem: Problem, line: str) -> Any:
    from rich.text import Text

    text = Text(line)
    place = len(printable(problem.where))
    text.stylize("cyan", 0, place)
    text.stylize("bold", place, place + 2 + len(printable(problem.what)))
    return text
