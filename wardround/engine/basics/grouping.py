"""Problems of one kind together, the first of them in full: a wrong folder is one mistake for all its rows.

Only what repeats over rows, cases and files is told together. Each key of a settings file and each option of a command
is a mistake of its own, however alike two of them are, and is never hidden behind another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from wardround.engine.basics.problems import Problem

_MOST_ALONE = 2
"""So many problems of one kind are told one by one, unless one sentence is right for all of them."""
_MOST_LISTED = 5
_SHOWN = 3
"""Of more than the most that are listed."""
_VARIES = re.compile(r"'[^']*'|`[^`]*`|/[^\s;:,()]+|\d[\d.,]*")
"""What may differ between problems of one kind: names, paths and numbers."""
_KEY = re.compile(r"--[a-z]|[^:,]+\.(?:ya?ml|json)(?:\.\w+)?(?::\d|, )", re.IGNORECASE)
"""How a place begins that is an option, or a line or key of a settings file."""
_Kind = tuple[str, str, str]


def groups(problems: Sequence[Problem]) -> Iterator[tuple[Problem, ...]]:
    """Problems of one kind together where there are several, in the order in which the first of each kind was found.

    What two checks have found alike is told once.
    """
    kinds: dict[_Kind, list[Problem]] = {}
    for problem in dict.fromkeys(problems):
        kinds.setdefault(_kind(problem), []).append(problem)
    told: set[_Kind] = set()
    for problem in dict.fromkeys(problems):
        kind = _kind(problem)
        if len(kinds[kind]) <= _MOST_ALONE and not _is_one_mistake(kinds[kind]):
            yield (problem,)
        elif kind not in told:
            told.add(kind)
            yield tuple(kinds[kind])


def told_together(group: Sequence[Problem], listing: str = "") -> list[str]:
    """One problem in a line; or several in a heading, a line for each of the first, and how many more there are.

    `listing` says where all of them are listed, if anywhere.
    """
    first = group[0]
    if len(group) == 1:
        return [first.render()]
    what, got, expected, remedy = (_common(group, name) for name in ("what", "got", "expected", "remedy"))
    head = Problem(f"{len(group)} times: {what or _as_kind(first.what)}", "", got, expected, remedy)
    count = len(group) if len(group) <= _MOST_LISTED else _SHOWN
    shown = [_row(problem, what=what, got=got, expected=expected, remedy=remedy) for problem in group[:count]]
    more = [f"  and {len(group) - count:,} more of this kind{listing}"] if len(group) > count else []
    return [head.render(), *shown, *more]


def in_short(problems: Sequence[Problem], listing: str = "") -> str:
    """All problems in one paragraph, those of one kind together, for a line of a log."""
    return " ".join(line.strip() for group in groups(problems) for line in told_together(group, listing))


def _is_one_mistake(kind: Sequence[Problem]) -> bool:
    """Whether a few problems differ in nothing but their place and what was got there, so that one remedy ends all."""
    return len(kind) > 1 and len({replace(problem, where="", got="") for problem in kind}) == 1 and kind[0].remedy != ""


def _kind(problem: Problem) -> _Kind:
    key = problem.where if _KEY.match(problem.where) else ""
    return _as_kind(problem.what), _as_kind(problem.remedy), key


def _as_kind(text: str) -> str:
    return _VARIES.sub("...", text)


def _common(group: Sequence[Problem], name: str) -> str:
    """What all problems of a group say; empty where they differ."""
    found = {getattr(problem, name) for problem in group}
    return str(found.pop()) if len(found) == 1 else ""


def _row(problem: Problem, *, what: str, got: str, expected: str, remedy: str) -> str:
    """One problem of a group, without what stands in the heading already."""
    left = replace(
        problem,
        where="",
        what=f"{problem.where}: {problem.what}" if not what and problem.where else problem.where or problem.what,
        got="" if got else problem.got,
        expected="" if expected else problem.expected,
        remedy="" if remedy else problem.remedy,
    )
    return f"  {left.render()}"
