"""Manifests: CSV files with one row per case, in GaNDLF's layout, into a cohort; every problem of the table at once.

Columns: `SubjectID`, `Channel_0` ... one per input of the study, `Label` (path of the mask) or `ValueToPredict`, and
optionally `PatientID` and `Split` (train, validation, test). Other columns are free. Paths are relative to the CSV.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from wardround.engine.basics.problems import Findings, did_you_mean
from wardround.engine.cohort.columns import Columns, find_columns
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.paths import resolve_file
from wardround.engine.cohort.tables import Row, Table, read_table
from wardround.engine.study.models import Study

SPLITS = ("train", "validation", "test")


class Truth(Enum):
    """Whether every case must have its mask or value: for training yes, for prediction no."""

    REQUIRED = "required"
    OPTIONAL = "optional"


def read_manifest(path: Path, study: Study, *, truth: Truth) -> Cohort:
    """The cohort of a manifest. Raises `InputError` with every problem of the table; opens no image."""
    findings = Findings()
    table = read_table(path, findings)
    if not table.rows and not findings.problems:
        findings.add("the manifest has no rows", where=path.name, expected="one row per case")
    columns = find_columns(table, study, findings, truth_required=truth is Truth.REQUIRED)
    reader = _Reader(table, study, columns, truth, findings)
    cases = tuple(reader.case(row) for row in table.rows)
    _check_subjects(cases, path, findings)
    _check_patients(cases, path, findings)
    findings.raise_if_any()
    return Cohort(path, cases)


@dataclass
class _Reader:
    """Rows into cases. A case with a problem is still made, so that the checks across rows see all of them."""

    table: Table
    study: Study
    columns: Columns
    truth: Truth
    findings: Findings
    folders: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def case(self, row: Row) -> Case:
        subject = self._text(row, self.columns.subject, "?")
        return Case(
            subject=subject,
            patient=self._text(row, self.columns.patient, subject),
            channels=tuple(path for column in self.columns.channels if (path := self._file(row, column)) is not None),
            label=self._label(row),
            value=self._value(row),
            split=self._split(row),
            row=row.line,
        )

    def _place(self, row: Row, column: str) -> str:
        name = row.cells.get(self.columns.subject or "", "")
        subject = f", subject {name!r}" if name else ""
        return f"{self.table.path.name}:{row.line}{subject}, {column}"

    def _text(self, row: Row, column: str | None, otherwise: str) -> str:
        if column is None:
            return otherwise
        cell = row.cells.get(column, "")
        if not cell:
            self.findings.add("the cell is empty", where=self._place(row, column))
        return cell or otherwise

    def _file(self, row: Row, column: str) -> Path | None:
        cell = self._text(row, column, "")
        if not cell:
            return None
        with self.findings.gather():
            return resolve_file(self.table.path.parent, cell, self._place(row, column), self.folders)
        return None

    def _is_left_out(self, row: Row, column: str) -> bool:
        return self.truth is Truth.OPTIONAL and not row.cells.get(column)

    def _label(self, row: Row) -> Path | None:
        column = self.columns.label
        return None if column is None or self._is_left_out(row, column) else self._file(row, column)

    def _value(self, row: Row) -> str | None:
        column = self.columns.value
        if column is None or self._is_left_out(row, column):
            return None
        cell = self._text(row, column, "")
        value = _class_value(cell, self.study)
        if cell and value is None:
            known = ", ".join(f"{number} ({name})" for name, number in self.study.classes.items())
            where = self._place(row, column)
            self.findings.add(
                "the value is not one of the study's classes", where=where, got=repr(cell), expected=known
            )
        return value

    def _split(self, row: Row) -> str | None:
        column = self.columns.split
        if column is None:
            return None
        cell = self._text(row, column, "")
        if cell and cell not in SPLITS:
            self.findings.add(
                "unknown set", where=self._place(row, column), got=repr(cell), remedy=did_you_mean(cell, SPLITS)
            )
        return cell or None


def _class_value(cell: str, study: Study) -> str | None:
    """The class's number as text, for a cell that holds the number (`1`, `1.0`) or the class's name."""
    if cell in study.classes:
        return str(study.classes[cell])
    try:
        number = float(cell)
    except ValueError:
        return None
    return str(int(number)) if number in study.classes.values() else None


def _check_subjects(cases: Iterable[Case], path: Path, findings: Findings) -> None:
    first: dict[str, int] = {}
    for case in cases:
        if case.subject != "?" and first.setdefault(case.subject, case.row) != case.row:
            findings.add(
                f"the subject {case.subject!r} stands on line {first[case.subject]} already",
                where=f"{path.name}:{case.row}",
                remedy="Give every row its own SubjectID; rows of one person share a PatientID",
            )


def _check_patients(cases: Iterable[Case], path: Path, findings: Findings) -> None:
    sets: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        if case.split in SPLITS:
            sets[case.patient][case.split].append(case.row)
    for patient, lines in sets.items():
        if len(lines) > 1:
            got = "; ".join(f"{name} on line {', '.join(map(str, rows))}" for name, rows in lines.items())
            findings.add(
                f"the patient {patient!r} is in {len(lines)} sets",
                where=f"{path.name}, Split",
                got=got,
                expected="all rows of a patient in one set",
            )
