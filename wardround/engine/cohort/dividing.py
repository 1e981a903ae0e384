"""A table with its sets written into it: by patient, of the sizes that are asked for, with a like mix of classes.

What `fit` does by itself from a study's seed, as a column that people and other programs can read. A row's set depends
on the seed and on the names of the patients; the order of rows plays no part.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.printable import printable
from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean
from wardround.engine.basics.randomness import stream_key
from wardround.engine.cohort.assignment import SETS
from wardround.engine.cohort.columns import LABEL, SPLIT, VALUE, Columns, Layout, find_columns, header_place
from wardround.engine.cohort.heading import require_heading
from wardround.engine.cohort.joined import without_later_names
from wardround.engine.cohort.manifest import without_rows
from wardround.engine.cohort.models import Patients, place
from wardround.engine.cohort.persons import likely_patients
from wardround.engine.cohort.stratify import balanced_folds, balanced_sets
from wardround.engine.cohort.tables import Row, Table, named_table, read_lines

_MOST_CLASSES = 10
"""Different numbers of a column up to which each is a class; more are told apart by quarters."""
_QUARTERS = 4
_MOST_STRATA = 50
"""Classes that sets can have alike; what has more is a name or a text."""
_SHOWN = 5
TRAIN, VALIDATION, TEST = SETS


@dataclass(frozen=True)
class Shares:
    """How a table is divided.

    Attributes:
        test: of all patients' rows, the share that is tested with; with several folds each is tested with once.
        validation: of all rows, the share that chooses the best weights.
        folds: how many tables are made; 1 for one with the share `test`.
        seed: of the draw.
    """

    test: float = 0.2
    validation: float = 0.2
    folds: int = 1
    seed: int = 42


@dataclass(frozen=True)
class Divisible:
    """A table that can be divided.

    Attributes:
        table: its rows.
        patients: whose each row is.
        strata: the class, or the quarter of the numbers, that each row counts as.
        by: the column that tells them; empty where none does.
        told: how it tells patients apart.
    """

    table: Table
    patients: tuple[str, ...]
    strata: tuple[str, ...]
    by: str
    told: Patients


def read_divisible(path: Path, by: str | None) -> Divisible:
    """The table of a file whose sets are to be made, with a like mix of what the column `by` holds; by default, of
    `ValueToPredict`, where there is one.

    Raises `InputError` with everything that is wrong: columns, empty cells, sets that it states already.
    """
    findings = Findings()
    table = _table(path, findings)
    columns = find_columns(table, Layout.without_study(), findings)
    _require_undivided(table, findings)
    mix = _mix(table, by, findings)
    groups = columns.patient or columns.subject
    for column in filter(None, dict.fromkeys((columns.subject, groups, mix))):
        _require_filled(table, columns, column, findings)
    findings.raise_if_any()
    assert groups is not None
    told = Patients() if columns.patient else Patients(stated=False, likely=likely_patients(table, columns))
    strata = strata_of_cells(_cells(table, mix)) if mix else ("",) * len(table.rows)
    if len({*strata}) > _MOST_STRATA:
        raise InputError([_too_many(table, mix, len({*strata}))])
    return Divisible(table, _cells(table, groups), strata, mix, told)


def _table(path: Path, findings: Findings) -> Table:
    layout, lines = Layout.without_study(), read_lines(path)
    require_heading(path, lines, layout)
    lines, joined = without_later_names(path, lines)
    findings.extend(joined)
    table = named_table(path, lines, findings)
    if not table.rows and not findings.problems:
        findings.extend([without_rows(path)])
    return table


def _cells(table: Table, column: str) -> tuple[str, ...]:
    return tuple(row.cells[column] for row in table.rows)


def _mix(table: Table, by: str | None, findings: Findings) -> str:
    """The column whose mix is to be alike; empty for none, and a finding for one that is not there."""
    if by is None:
        return VALUE if VALUE in table.columns else ""
    if by in table.columns:
        return by
    remedy, got = did_you_mean(by, table.columns), ", ".join(table.columns)
    findings.add(f"there is no column {by!r}", where=header_place(table.path), got=got, remedy=remedy)
    return ""


def _too_many(table: Table, column: str, count: int) -> Problem:
    what, remedy = "this column has too many different values to be alike in all sets", "Name a column of few classes"
    return Problem(what, f"{table.path.name}, {column}", f"{count}", f"at most {_MOST_STRATA}, or numbers", remedy)


def _require_undivided(table: Table, findings: Findings) -> None:
    stated = Counter(row.cells[SPLIT] for row in table.rows if row.cells.get(SPLIT))
    if stated:
        findings.add(
            "the table says already who is in which set",
            where=f"{table.path.name}, {SPLIT}",
            got=", ".join(f"{count} x {word}" for word, count in stated.most_common(_SHOWN)),
            expected=f"no column {SPLIT}, or an empty one",
            remedy="Use the table as it is, or take the column out for other sets",
        )


def _require_filled(table: Table, columns: Columns, column: str, findings: Findings) -> None:
    for row in table.rows:
        if not row.cells[column]:
            subject = row.cells.get(columns.subject or "", "")
            findings.add(
                "the cell is empty",
                where=place(table.path, row.line, subject, column),
                got="nothing",
                expected=f"a {column}",
                remedy="Fill it in, or take the row out of the table",
            )


def strata_of_cells(cells: Sequence[str]) -> tuple[str, ...]:
    """What each cell counts as: itself; or, where cells are numbers of more than ten values, the quarter of the rows
    that its number is in. Equal numbers are in one quarter."""
    numbers = _numbers(cells)
    if numbers is None or len({*numbers}) <= _MOST_CLASSES:
        return tuple(cells)
    edges = np.quantile(numbers, np.arange(1, _QUARTERS) / _QUARTERS)
    return tuple(map(str, np.searchsorted(edges, numbers, side="right").tolist()))


def _numbers(cells: Sequence[str]) -> Sequence[float] | None:
    try:
        found = [float(cell) for cell in cells]
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None


def divide(divisible: Divisible, shares: Shares) -> tuple[tuple[str, ...], ...]:
    """The set of each row: one tuple, or one for each fold. Raises `InputError` where a set would be empty."""
    _require_shares(shares)
    patients, counts = _counted(divisible, shares.seed)
    if shares.folds == 1:
        sizes = (1 - shares.validation - shares.test, shares.validation, shares.test)
        found = [_sets(counts, sizes)]
    else:
        folds = balanced_folds(counts, shares.folds)
        found = [_beside(counts, folds == fold, shares) for fold in range(shares.folds)]
    _require_members(divisible, shares, found)
    by_patient = [dict(zip(patients, sets.tolist(), strict=True)) for sets in found]
    return tuple(tuple(SETS[sets[patient]] for patient in divisible.patients) for sets in by_patient)


def _counted(divisible: Divisible, seed: int) -> tuple[list[str], np.ndarray]:
    """The patients in an order that the seed draws, and how many rows of each stratum each has."""
    patients = sorted({*divisible.patients}, key=lambda name: stream_key(seed, "split", name))
    rows = {name: place for place, name in enumerate(patients)}
    kinds = {name: place for place, name in enumerate(sorted({*divisible.strata}))}
    counts = np.zeros((len(rows), len(kinds)))
    for patient, stratum in zip(divisible.patients, divisible.strata, strict=True):
        counts[rows[patient], kinds[stratum]] += 1
    return patients, counts


def _sets(counts: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
    """The set of each group, of those whose share is not 0."""
    wanted = [place for place, size in enumerate(sizes) if size > 0]
    found = balanced_sets(counts, [sizes[place] for place in wanted])
    return np.asarray(np.asarray(wanted)[found])


def _beside(counts: np.ndarray, is_test: np.ndarray, shares: Shares) -> np.ndarray:
    """The sets where the test set is known: the others are for training and validation."""
    found = np.full(len(counts), SETS.index(TEST))
    rest = counts[~is_test]
    rest = rest[:, rest.sum(axis=0) > 0]
    found[~is_test] = _sets(rest, (1 - 1 / shares.folds - shares.validation, shares.validation))
    return found


def _require_shares(shares: Shares) -> None:
    findings, tested = Findings(), 1 / shares.folds if shares.folds > 1 else shares.test
    for option, share in (("--test", shares.test), ("--validation", shares.validation)):
        if not 0 <= share < 1:
            remedy = f"Write for example `{option} 0.2`; 0 for no such set"
            findings.add(
                "this is no share of a table", where=option, got=f"{share:g}", expected="0 to 1", remedy=remedy
            )
    if not findings.problems and tested + shares.validation >= 1 - 1e-9:
        findings.add(
            "nothing is left to learn from",
            where="--folds, --validation" if shares.folds > 1 else "--test, --validation",
            got=f"{tested:g} to test and {shares.validation:g} to validate",
            expected="less than 1 together",
            remedy="Write smaller shares",
        )
    findings.raise_if_any()


def _require_members(divisible: Divisible, shares: Shares, found: Sequence[np.ndarray]) -> None:
    """Raise `InputError` where a set that is asked for has nobody."""
    wanted = [True, shares.validation > 0, shares.folds > 1 or shares.test > 0]
    for sets in found:
        empty = [name for place, name in enumerate(SETS) if wanted[place] and not (sets == place).any()]
        if empty:
            raise InputError.one(
                f"too few patients: nobody would be in the {empty[0]} set",
                where=divisible.table.path.name,
                got=divisible.told.counted(len(sets)),
                remedy="Ask for fewer folds or other shares, or add cases of other patients",
            )


def divided_table(divisible: Divisible, sets: Sequence[str], folder: Path) -> bytes:
    """The table as CSV with a column `Split`, whose relative paths lead on from the folder that it will lie in."""
    table = divisible.table
    names = [name for name in table.columns if name != SPLIT]
    channels = find_columns(table, Layout.without_study(), Findings()).channels
    files = {LABEL, *channels} & {*names}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, SPLIT])
    way = _Way(table.path.parent, folder)
    for row, word in zip(table.rows, sets, strict=True):
        writer.writerow([*(_cell(row, name, way if name in files else None) for name in names), word])
    return text.getvalue().encode()


@dataclass(frozen=True)
class _Way:
    """From one folder to another."""

    old: Path
    new: Path

    def path(self, cell: str) -> str:
        """A path of a table in the one, for a table in the other."""
        if not cell or os.path.isabs(cell) or os.path.realpath(self.old) == os.path.realpath(self.new):
            return cell
        return Path(os.path.relpath(os.path.realpath(self.old) + os.sep + cell, os.path.realpath(self.new))).as_posix()


def _cell(row: Row, name: str, way: _Way | None) -> str:
    return row.cells[name] if way is None else way.path(row.cells[name])


def told_sets(divisible: Divisible, sets: Sequence[str]) -> Mapping[str, str]:
    """How many rows, of how many patients and of which mix each set has, in words, by its name."""
    found = {}
    for name in SETS:
        rows = [place for place, word in enumerate(sets) if word == name]
        if not rows:
            continue
        words = [f"{len(rows)} rows"]
        if divisible.told.stated:
            words.append(f"{len({divisible.patients[place] for place in rows})} patients")
        if divisible.by:
            mix = Counter(divisible.strata[place] for place in rows)
            shown = ", ".join(f"{printable(kind)}: {count}" for kind, count in sorted(mix.items()))
            words.append(f"{divisible.by} {shown}")
        found[name] = "; ".join(words)
    return found
