"""What in a manifest without `PatientID` looks as if it told patients apart, so that people can be pointed to it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from wardround.engine.cohort.columns import Columns
from wardround.engine.cohort.tables import Table

_NAMES = re.compile(
    r"(?i)(^|[^a-z])(pat|subject|subj|person|proband|individual|case|mrn|pid|uid|pt)([^a-z]|$)"
    r"|patient|participant|(subject|person|case) ?(id|no|nr)|medical.?record|^(ptid|rid|id|name)$"
)
_OTHERWISE = re.compile(r"ValueToPredict(_.*)?|Label|(Channel|Target)_\d+|Time|Event")
"""Columns that hold something else in any manifest, whether or not the study at hand reads them."""
_WORDS = re.compile(r"[^_\-.\s]+")
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")
_SHOWN = 4


def likely_patients(table: Table, columns: Columns) -> tuple[str, ...]:
    """Free columns, and beginnings of names, that several rows share as rows of one patient would; in words."""
    if len(table.rows) < 2:
        return ()
    found = [*_likely_columns(table, columns)]
    sources = {"SubjectID": columns.subject, "Channel_0": next(iter(columns.channels), None)}
    for name, column in sources.items():
        if column is not None:
            found.extend(_likely_names(name, [row.cells[column] for row in table.rows]))
    return tuple(found[:_SHOWN])


def _likely_columns(table: Table, columns: Columns) -> Iterable[str]:
    taken = {columns.subject, columns.split, columns.label, *columns.values, *columns.channels, *columns.given, ""}
    for column in table.columns:
        values = [row.cells[column] for row in table.rows]
        is_free = column not in taken and not _OTHERWISE.fullmatch(column)
        repeats = is_free and 1 < len({*values}) < len(values)
        if repeats and (_NAMES.search(_spaced(column)) or _repeats_as_patients(values)):
            yield f"the column {column!r} ({len({*values})} different values in {len(values)} rows)"


def _spaced(column: str) -> str:
    """A name with its words apart: `CaseNo` is `Case No`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)


def _repeats_as_patients(values: Sequence[str]) -> bool:
    """Whether the values are many, name-like, and stand in several rows each, as a category's do not."""
    if not all(values) or any(_DATE.fullmatch(value) for value in values):
        return False
    if not all(_is_identifier(value) for value in values):
        return False
    return _pattern(Counter(values))


def _is_identifier(value: str) -> bool:
    """Letters with digits, or a long number: `p12`, `MRN-00123`, `4711008`, but no age, no spacing and no class."""
    digits = sum(sign.isdigit() for sign in value)
    return (digits >= 1 and any(sign.isalpha() for sign in value)) or (digits >= 4 and value.isdigit())


def _pattern(groups: Counter[str]) -> bool:
    """Several rows a patient, and many patients: no group has half of the rows, none of them is a mere category."""
    rows = groups.total()
    return 3 <= len(groups) < rows and len(groups) >= rows / 10 and max(groups.values()) <= rows / 2


def _likely_names(column: str, cells: Sequence[str]) -> Iterable[str]:
    """The beginnings of the names, or their folders, whichever tell more patients apart."""
    paths = [PurePosixPath(cell.replace("\\", "/")) for cell in cells]
    groups = {
        f"the beginnings of the names in {column}": Counter(_beginning(path.name) for path in paths),
        f"the folders in {column}": Counter(path.parent.name for path in paths),
    }
    fitting = {what: found for what, found in groups.items() if _pattern(found) and _has_digits(found)}
    if fitting:
        what = max(fitting, key=lambda name: len(fitting[name]))
        name, rows = fitting[what].most_common(1)[0]
        yield f"{what} ({len(fitting[what])} different ones in {len(cells)} rows; {name!r} stands in {rows})"


def _beginning(name: str) -> str:
    """A name up to the word that has its first number: `person63` of `person63_bacteria_306.png`."""
    for word in _WORDS.finditer(name):
        if any(sign.isdigit() for sign in word[0]):
            return name[: word.end()]
    return name


def _has_digits(groups: Iterable[str]) -> bool:
    return all(any(sign.isdigit() for sign in group) for group in groups)
