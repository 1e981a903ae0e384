"""Cells of the columns that a network is given: what they hold, and what is said of those that hold something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.cohort.models import Case
from wardround.engine.study.tabular import CategoryColumn, Columns, NumberColumn, in_order
from wardround.engine.targets.cells import number_in

MISSING = frozenset({"", "?", "na", "n/a", "nan", "none", "null", "-"})
"""What stands in cells of which nobody knows the value, in small letters."""


def read_cell(column: NumberColumn | CategoryColumn, cell: str, place: str) -> float | None:
    """A number, the place of a level, or None where the cell is missing and may be. Raises `InputError` otherwise."""
    level = column.place(cell) if isinstance(column, CategoryColumn) else None
    if level is not None:
        return level
    if cell.strip().lower() in MISSING:
        if column.missing == "error":
            raise _missing(column, cell, place)
        return None
    if isinstance(column, CategoryColumn):
        raise _no_level(column, cell, place)
    try:
        return number_in(cell, place)
    except InputError as error:
        raise InputError(replace(problem, where=place) for problem in error.problems) from None


def _missing(column: NumberColumn | CategoryColumn, cell: str, place: str) -> InputError:
    instead = "unknown" if isinstance(column, CategoryColumn) else "mean"
    return InputError.one(
        "the value is missing",
        where=place,
        got=repr(cell) if cell else "nothing",
        expected="a level" if isinstance(column, CategoryColumn) else "a number",
        remedy=f"Fill it in, leave the row out, or write `missing: {instead}` for the column in the study",
    )


def _no_level(column: CategoryColumn, cell: str, place: str) -> InputError:
    likely, remedy = did_you_mean(cell, column.levels), "Correct the cell, or add the level in the study's `columns`"
    return InputError.one(
        "the value is none of the column's levels",
        where=place,
        got=repr(cell),
        expected=", ".join(column.levels),
        remedy=f"{likely} {remedy}" if likely.startswith("Did you mean") else remedy,
    )


def described(columns: Columns, cases: Sequence[Case]) -> str:
    """Each column with what its cells hold, and how many lack it."""
    cells = zip(in_order(columns).items(), zip(*(case.columns for case in cases), strict=True), strict=False)
    return "; ".join(_described(name, column, values) for (name, column), values in cells)


def _described(name: str, column: NumberColumn | CategoryColumn, cells: Sequence[float | None]) -> str:
    known = [cell for cell in cells if cell is not None]
    lacking = f", {len(cells) - len(known)} missing" if len(known) < len(cells) else ""
    if not known:
        return f"{name} (all missing)"
    if isinstance(column, NumberColumn):
        return f"{name} {min(known):g} to {max(known):g}{lacking}"
    counts = Counter(known)
    return f"{name} ({', '.join(f'{level} {counts[place]}' for place, level in enumerate(column.levels))}{lacking})"
