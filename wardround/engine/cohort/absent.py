"""Files of a table that are gone: one thing to do for all of them, in the place of one for each row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.engine.basics.problems import Problem

_MOST_SPANS = 10


@dataclass(frozen=True)
class Absent:
    """A file that is not there and like which nothing is: where it is named, and the folder where it was looked for."""

    column: str
    line: int
    folder: Path
    problem: Problem


def with_one_remedy(problems: Sequence[Problem], absent: Sequence[Absent], table: Path) -> tuple[Problem, ...]:
    """The problems, those of absent files with the same remedy, which has the lines of all of them."""
    if len(absent) < 2:
        return tuple(problems)
    gone, remedy = {each.problem for each in absent}, _remedy(absent, table)
    return tuple(replace(each, remedy=remedy) if each in gone else each for each in problems)


def _remedy(absent: Sequence[Absent], table: Path) -> str:
    folders, columns = {each.folder for each in absent}, sorted({each.column for each in absent})
    place = f" into {folders.pop()}" if len(folders) == 1 else ""
    lines = {column: _spans(sorted({each.line for each in absent if each.column == column})) for column in columns}
    if len(columns) == 1:
        cells = f"the {columns[0]} cells ({table.name}: {lines[columns[0]]})"
    else:
        cells = f"the cells ({table.name}: {'; '.join(f'{column} on {lines[column]}' for column in columns)})"
    return f"Put the files back{place}, or correct {cells}; paths are relative to the manifest"


def _spans(lines: Sequence[int]) -> str:
    """Numbers with those that follow one another together: `lines 2, 5 to 9`."""
    told = list(_runs(lines))
    more = len(told) - _MOST_SPANS
    shown = ", ".join(told[:_MOST_SPANS]) + (f" and {more:,} more places" if more > 0 else "")
    return f"line {shown}" if len(lines) == 1 else f"lines {shown}"


def _runs(lines: Iterable[int]) -> Iterator[str]:
    first = last = None
    for line in lines:
        if first is not None and last is not None and line != last + 1:
            yield _run(first, last)
            first = None
        first, last = line if first is None else first, line
    if first is not None and last is not None:
        yield _run(first, last)


def _run(first: int, last: int) -> str:
    if first == last:
        return str(first)
    return f"{first}, {last}" if last == first + 1 else f"{first} to {last}"
