"""Exports that were joined one below the other: names of columns again, below the first line of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.columns import is_of_table
from wardround.engine.cohort.tables import SEPARATORS, Lines

_LEAST = 2
"""Names of columns in a line that make it one of names; a single one may be somebody's word."""
_SHOWN = 5


def without_later_names(path: Path, lines: Lines) -> tuple[Lines, list[Problem]]:
    """The lines of the table that the first one names, and what is wrong with names further down.

    Where other names follow, or other separators, what stands below belongs to another table, and is left out: nothing
    can be said of its cells by the names of this one.
    """
    names, kept, again, problems = lines[0][1], [lines[0]], list[int](), list[Problem]()
    for number, cells in lines[1:]:
        told = [*map(_plain, cells)]
        if _are_same(told, names):
            again.append(number)
        elif _are_names(told):
            problems.append(_of_another_table(path, number, cells))
            break
        elif (before := _before_names(cells, names)) is not None:
            problems.append(_without_end(path, number, before[-1], names[0]))
            kept.append((number, before))
        else:
            kept.append((number, cells))
    return kept, [*([_repeated(path, again, names)] if again else []), *problems]


def _plain(cell: str) -> str:
    """A cell without the quotation marks that the mark of UTF-8 before them has left as signs."""
    return cell.strip('"')


def _are_same(cells: Sequence[str], names: Sequence[str]) -> bool:
    own, others = [[text.casefold() for text in texts if text] for texts in (cells, names)]
    return len(own) >= _LEAST and own == others


def _are_names(cells: Sequence[str]) -> bool:
    """Whether most cells of a line are names that columns of tables of cases have, whatever separates them."""
    texts = [cell for cell in cells if cell]
    if len(texts) == 1:
        separator = max(SEPARATORS, key=texts[0].count)
        texts = [_plain(part.strip()) for part in texts[0].split(separator)]
    found = [text for text in texts if is_of_table(text)]
    return len(found) >= _LEAST and 2 * len(found) >= len(texts)


def _before_names(cells: list[str], names: Sequence[str]) -> list[str] | None:
    """The cells of a last row to which the names of the next table were joined for want of an end of the line."""
    count = len(names)
    if len(cells) != 2 * count - 1 or count < _LEAST or [*cells[count:]] != [*names[1:]]:
        return None
    last = cells[count - 1]
    return [*cells[: count - 1], last.removesuffix(names[0])] if last.endswith(names[0]) else None


def _repeated(path: Path, numbers: Sequence[int], names: Sequence[str]) -> Problem:
    shown = ", ".join(map(str, numbers[: _SHOWN if len(numbers) > _SHOWN + 1 else None]))
    is_one, rest = len(numbers) == 1, len(numbers) - _SHOWN
    more = f" and {rest} more" if rest > 1 else ""
    return Problem(
        f"{'this line repeats' if is_one else 'these lines repeat'} the names of the columns",
        f"{path.name}:{shown}" if is_one else f"{path.name}, lines {shown}{more}",
        ", ".join(filter(None, names)),
        "cases below the first line",
        f"Were tables joined one below the other? Delete {'this line' if is_one else 'these lines'}",
    )


def _of_another_table(path: Path, number: int, cells: Sequence[str]) -> Problem:
    return Problem(
        "another table begins on this line",
        f"{path.name}:{number}",
        ", ".join(filter(None, cells)),
        "one table, with its names on the first line alone",
        "Its columns or their separators are not those of the first line: bring the rows below it into the order of "
        "the first line and delete this line, or save the two tables as two files",
    )


def _without_end(path: Path, number: int, last: str, name: str) -> Problem:
    return Problem(
        "the names of the columns stand at the end of this row",
        f"{path.name}:{number}",
        f"{last}{name} and so on",
        last,
        f"Was another table joined to a line without an end? End the line after {last!r}, and delete the names",
    )
