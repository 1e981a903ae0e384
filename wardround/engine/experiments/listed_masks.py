"""Predicted masks that a table names, wherever they lie: from another program, under names of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.columns import SUBJECT, header_place
from wardround.engine.cohort.models import place
from wardround.engine.cohort.paths import Neighbours, resolve_file
from wardround.engine.cohort.tables import Row, Table, read_table
from wardround.engine.experiments.results import PREDICTION, require_one

COLUMN = "Prediction"
Find = Callable[[Case], Path]
"""The file of a case's predicted mask. Raises `InputError` where there is none."""


def listed_masks(cohort: Cohort, path: Path) -> Find:
    """The masks that the column `Prediction` of a table names, relative to the table, by their `SubjectID`.

    Raises `InputError` with all that is wrong with the table, or where it has none of the cases.
    """
    findings = Findings()
    table = read_table(path, findings)
    rows = _by_subject(table, findings)
    findings.raise_if_any()
    neighbours = Neighbours()

    def find(case: Case) -> Path:
        row = rows.get(case.subject)
        if row is None or not row.cells[COLUMN]:
            raise InputError.one(
                "the table has no prediction for this case",
                where=f"{case.name}, {PREDICTION} in {path.name}",
                remedy="Predict it, or leave the case out of the table",
            )
        where = place(path, row.line, case.subject, COLUMN)
        return resolve_file(path.absolute().parent, row.cells[COLUMN], where, neighbours)

    require_one(cohort, find)
    return find


def _by_subject(table: Table, findings: Findings) -> dict[str, Row]:
    """Rows by their subjects; missing columns and subjects that stand twice become findings."""
    for name in (SUBJECT, COLUMN):
        if name not in (*table.columns, *table.repeated):
            what, got = f"the column {name!r} is missing", ", ".join(filter(None, table.columns))
            expected, remedy = f"{SUBJECT} and {COLUMN}, the path of a mask", "Rename the column that has it"
            findings.add(what, where=header_place(table.path), got=got, expected=expected, remedy=remedy)
    if findings.problems:
        return {}
    rows: dict[str, Row] = {}
    for row in table.rows:
        subject = row.cells[SUBJECT]
        first = rows.setdefault(subject, row)
        if first is not row:
            findings.add(
                f"the subject {subject!r} stands on line {first.line} already",
                where=f"{table.path.name}:{row.line}, {SUBJECT}",
                got=f"{subject!r} again",
                expected="each SubjectID once",
                remedy="Keep the row that counts",
            )
    return rows
