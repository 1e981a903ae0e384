"""Manifests: CSV files with one row per case, in GaNDLF's layout, into a cohort; every problem of the table at once.

Columns: `SubjectID`, `Channel_0` ... one per input of the study (or `Channel_0` alone for files that hold all of them),
`Label` (path of the mask), `Target_0` ... (paths of images that are to be made) or `ValueToPredict`, and optionally
`PatientID` and `Split` (train, validation, test). Other columns are free. Paths are relative to the CSV.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean
from wardround.engine.cohort.absent import Absent, with_one_remedy
from wardround.engine.cohort.assignment import SETS
from wardround.engine.cohort.columns import PATIENT, SUBJECT, Columns, Layout, Truth, find_columns
from wardround.engine.cohort.given import read_cell
from wardround.engine.cohort.heading import require_heading
from wardround.engine.cohort.joined import without_later_names
from wardround.engine.cohort.models import Case, Cohort, Patients, place
from wardround.engine.cohort.paths import MissingFileError, Neighbours, normal_path, resolve_file
from wardround.engine.cohort.persons import likely_patients
from wardround.engine.cohort.spelling import difference, lookalikes
from wardround.engine.cohort.tables import Row, Table, named_table, read_lines
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of

_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+")
"""How spreadsheets show numbers that are too long for a cell."""


@dataclass(frozen=True)
class Survey:
    """What a manifest holds: the cases of its sound rows, and everything that is wrong with the others."""

    cohort: Cohort
    problems: tuple[Problem, ...]


def read_manifest(path: Path, study: Study, *, truth: Truth) -> Cohort:
    """The cohort of a manifest. Raises `InputError` with every problem of the table; opens no image."""
    survey = survey_manifest(path, Layout.of(study, truth))
    if survey.problems:
        raise InputError(survey.problems)
    return survey.cohort


def survey_manifest(path: Path, layout: Layout) -> Survey:
    """The sound cases and the problems of a manifest. Raises `InputError` when it is not a table at all."""
    findings = Findings()
    lines = read_lines(path)
    require_heading(path, lines, layout)
    lines, joined = without_later_names(path, lines)
    findings.extend(joined)
    table = named_table(path, lines, findings)
    if not table.rows and not findings.problems:
        findings.extend([without_rows(path)])
    header_findings = Findings()
    columns = find_columns(table, layout, header_findings)
    findings.extend(header_findings.problems)
    reader = _Reader(table, layout, columns)
    cases = [reader.case(row, findings) for row in table.rows]
    _check_subjects(cases, path, findings)
    _check_spelling(cases, path, findings)
    _check_patients(cases, path, findings)
    is_whole = not header_findings.problems and not columns.unread
    sound = tuple(case for case in cases if is_whole and case.row not in reader.flawed_rows)
    problems = with_one_remedy(findings.problems, reader.absent, path)
    return Survey(Cohort(path, sound, _patients(table, columns)), problems)


def count_under_heading(path: Path, layout: Layout) -> int:
    """How many lines stand under the names of a manifest's columns; what they hold is not looked at.

    Raises:
        InputError: it is not a table at all, or the names of its columns do not fit.
    """
    findings, lines = Findings(), read_lines(path)
    require_heading(path, lines, layout)
    lines, joined = without_later_names(path, lines)
    findings.extend(joined)
    find_columns(named_table(path, lines[:1], findings), layout, findings)
    findings.raise_if_any()
    return len(lines) - 1


def without_rows(path: Path) -> Problem:
    """The problem of a manifest that has names of columns and no case."""
    remedy = "Write a row for each case under the header, and save the table as CSV"
    return Problem("the manifest has no rows", path.name, "0 rows", "one per case", remedy)


def _patients(table: Table, columns: Columns) -> Patients:
    if columns.patient or PATIENT in columns.unread:  # a name that stands twice is not missing
        return Patients()
    return Patients(stated=False, likely=likely_patients(table, columns))


@dataclass
class _Reader:
    """Rows into cases. A row with a problem makes a case too, so that the checks across rows see all of them."""

    table: Table
    layout: Layout
    columns: Columns
    flawed_rows: set[int] = field(default_factory=set)
    absent: list[Absent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.neighbours = Neighbours(self._named_files)

    def _named_files(self) -> frozenset[str]:
        names = [*self.columns.channels, self.columns.label, *self.columns.targets]
        base = self.table.path.parent
        cells = {row.cells[name] for row in self.table.rows for name in names if name is not None}
        return frozenset(normal_path(base, cell) for cell in cells if cell)

    def case(self, row: Row, findings: Findings) -> Case:
        cells = _Cells(self, row)
        subject = cells.text(self.columns.subject)
        case = Case(
            subject=subject,
            patient=cells.text(self.columns.patient) or subject,
            channels=tuple(path for path in map(cells.file, self.columns.channels) if path is not None),
            label=cells.label(),
            value=cells.value(),
            split=cells.split(),
            row=row.line,
            table=self.table.path.name,
            columns=cells.given(),
            targets=cells.targets(),
        )
        cells.require_own_mask(case)
        cells.require_own_targets(case)
        cells.require_own_channels()
        if cells.findings.problems:
            self.flawed_rows.add(row.line)
            findings.extend(cells.findings.problems)
        return case


@dataclass
class _Cells:
    """The cells of one row, and what is wrong with them."""

    reader: _Reader
    row: Row
    findings: Findings = field(default_factory=Findings)

    def text(self, column: str | None) -> str:
        """The content of a cell that must not be empty; empty where there is no such column."""
        if column is None:
            return ""
        cell = self.row.cells[column]
        if cell.startswith("=") or (column in (SUBJECT, PATIENT) and _ROUNDED.fullmatch(cell)):
            self._tell_spreadsheet(cell, column)
            return ""
        if not cell:
            remedy = "Fill it in, or take the row out of the table"
            self.findings.add(
                "the cell is empty",
                where=self._place(column),
                got="nothing",
                expected=self._meant_by(column),
                remedy=remedy,
            )
        return cell

    def _meant_by(self, column: str) -> str:
        """What a cell of a column holds, in words."""
        inputs, channels = self.reader.layout.inputs or (), self.reader.columns.channels
        if column in channels:
            return f"the {inputs[channels.index(column)]} image" if len(inputs) == len(channels) else "an image"
        if column in self.reader.columns.targets:
            return f"the {self.reader.columns.targets.index(column) + 1}. image to be made, in the study's order"
        return "the mask" if column == self.reader.columns.label else f"a {column}"

    def _tell_spreadsheet(self, cell: str, column: str) -> None:
        where, got = self._place(column), repr(cell)
        if cell.startswith("="):
            remedy = "Copy the column and paste it as values before you save the table as CSV"
            self.findings.add("the cell holds a formula", where=where, got=got, expected="its result", remedy=remedy)
            return
        what = "this looks like a number that a spreadsheet has shortened"
        remedy = "Give the column the format `Text` in the spreadsheet, enter the names again and save the table as CSV"
        self.findings.add(what, where=where, got=got, expected="the whole name", remedy=remedy)

    def file(self, column: str) -> Path | None:
        """The file that a cell names."""
        cell = self.text(column)
        reader = self.reader
        if cell:
            with self.findings.gather():
                try:
                    return resolve_file(reader.table.path.parent, cell, self._place(column), reader.neighbours)
                except MissingFileError as error:
                    reader.absent.append(Absent(column, self.row.line, error.folder, error.problems[0]))
                    raise
        return None

    def label(self) -> Path | None:
        """The mask."""
        column = self._truth(self.reader.columns.label)
        return None if column is None else self.file(column)

    def targets(self) -> tuple[Path, ...]:
        """The images that are to be made; none where one is missing."""
        columns = self.reader.columns.targets
        if {*columns} != {*self.reader.layout.images(self.reader.layout.truth_names)} or not columns:
            return ()
        if self._may_be_missing and not any(self.row.cells[name] for name in columns):
            return ()
        found = [self.file(name) for name in columns]
        return tuple(path for path in found if path is not None)

    def require_own_targets(self, case: Case) -> None:
        """A finding for each image that is to be made and is one of those that it is made from, or stands twice."""
        seen = dict.fromkeys(case.channels, "an image that it is to be made from")
        for column, path in zip(self.reader.columns.targets, case.targets, strict=False):
            if path in seen:
                remedy = "Name the image that is to be made here; an input itself is learned by its name in `targets`"
                what, where = "the image that is to be made is the same file as another one", self._place(column)
                self.findings.add(what, where=where, got=f"{path.name}, {seen[path]}", remedy=remedy)
            seen[path] = column

    def require_own_mask(self, case: Case) -> None:
        """A finding if the mask is the image itself."""
        if case.label is not None and case.label in case.channels:
            self.findings.add(
                "the mask is the same file as the image",
                where=self._place(self.reader.columns.label or ""),
                got=case.label.name,
                expected="the file with the classes of this image",
                remedy="If it is the mask, name the image in the column of the image; if it is the image, name the "
                "mask's file in this column",
            )

    def require_own_channels(self) -> None:
        """A finding for each channel that is the same file as an earlier one."""
        first: dict[str, str] = {}
        for column in self.reader.columns.channels:
            cell = self.row.cells[column]
            other = first.setdefault(cell, column)
            if cell and other != column:
                self.findings.add(
                    f"this is the same file as {other}",
                    where=self._place(column),
                    got=f"'{cell}' again",
                    expected=self._meant_by(column),
                    remedy=f"Name the file of {self._meant_by(column)} here",
                )

    def value(self) -> str | None:
        """What the cells of the truth say, as the study's kind of truth keeps it."""
        study, columns = self.reader.layout.study, self.reader.columns.values
        if study is None or not self._has_truth(columns):
            return None
        cells = {name: self.text(name) for name in columns if not self._is_free(name)}
        if not all(cells.values()):
            return None
        cells = {name: cells.get(name, "") for name in columns}
        try:
            return target_of(study).value(study, cells)
        except InputError as error:
            self.findings.extend(replace(problem, where=self._place(problem.where)) for problem in error.problems)
        return None

    def given(self) -> tuple[float | None, ...]:
        """What the network is given of the row."""
        study, columns = self.reader.layout.study, self.reader.columns.given
        if study is None or columns != self.reader.layout.given:
            return ()
        found: list[float | None] = []
        for name in columns:
            with self.findings.gather():
                found.append(read_cell(study.columns[name], self.row.cells[name], self._place(name)))
        return tuple(found)

    def _is_free(self, column: str) -> bool:
        """Whether a cell is empty, and may be."""
        return not self.row.cells[column] and column in self.reader.layout.free

    def _has_truth(self, columns: Sequence[str]) -> bool:
        """Whether every column of the truth is there, as the header is told otherwise, and one is filled if it need
        not be."""
        wanted = self.reader.layout.cells(self.reader.layout.truth_names)
        is_whole = bool(wanted) and {*columns} == {*wanted}
        return is_whole and not (self._may_be_missing and not any(self.row.cells[name] for name in columns))

    def split(self) -> str | None:
        """The set that the row is in."""
        column = self.reader.columns.split
        cell = self.text(column)
        if column is not None and cell and cell not in SETS:
            where = self._place(column)
            remedy, expected = did_you_mean(cell, SETS), f"one of {', '.join(SETS)}"
            self.findings.add(f"unknown set {cell!r}", where=where, got=repr(cell), expected=expected, remedy=remedy)
        return cell or None

    def _truth(self, column: str | None) -> str | None:
        """The column, unless the truth may be missing and is missing in this row."""
        return None if column is None or (self._may_be_missing and not self.row.cells[column]) else column

    @property
    def _may_be_missing(self) -> bool:
        return self.reader.layout.truth is Truth.OPTIONAL

    def _place(self, column: str) -> str:
        subject = self.row.cells.get(self.reader.columns.subject or "", "")
        return place(self.reader.table.path, self.row.line, subject, column)


def _check_subjects(cases: Iterable[Case], path: Path, findings: Findings) -> None:
    first: dict[str, int] = {}
    for case in cases:
        if case.subject and first.setdefault(case.subject, case.row) != case.row:
            findings.add(
                f"the subject {case.subject!r} stands on line {first[case.subject]} already",
                where=f"{path.name}:{case.row}, SubjectID",
                got=f"{case.subject!r} again",
                expected="each SubjectID once",
                remedy="Give every row its own SubjectID; rows of one person share a PatientID",
            )


def _check_spelling(cases: Iterable[Case], path: Path, findings: Findings) -> None:
    """Names that nobody can tell apart by looking at them: case of letters is seen."""
    for one, other in lookalikes(dict.fromkeys(case.subject for case in cases if case.subject)):
        if one.casefold() != other.casefold():
            findings.add(
                f"two subjects have names that differ only {difference(one, other)}",
                where=f"{path.name}, SubjectID",
                got=f"{one!r} and {other!r}",
                expected="names that people can tell apart",
                remedy="Give one of them another name; rows of one person share a PatientID",
            )


def _check_patients(cases: Iterable[Case], path: Path, findings: Findings) -> None:
    sets: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for case in cases:
        if case.patient and case.split in SETS:
            sets[case.patient][case.split].append(case.row)
    for patient, lines in sets.items():
        if len(lines) > 1:
            got = "; ".join(f"{name} on line {', '.join(map(str, rows))}" for name, rows in lines.items())
            findings.add(
                f"the patient {patient!r} is in {len(lines)} sets",
                where=f"{path.name}, Split",
                got=got,
                expected="all rows of a patient in one set",
                remedy="Write the same set in all of these rows, or correct the PatientID",
            )
