"""Which column of a manifest plays which part, and what is said about columns that miss their name by a little."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from wardround.engine.basics.problems import Findings
from wardround.engine.cohort.tables import Table
from wardround.engine.study.models import Study
from wardround.engine.study.tabular import in_order
from wardround.engine.targets import Column, target_of

SUBJECT, PATIENT, SPLIT, LABEL, VALUE = "SubjectID", "PatientID", "Split", "Label", "ValueToPredict"
_CHANNEL, _TARGET = re.compile(r"Channel_(\d+)"), re.compile(r"Target_\d+")
_NEAR = 0.85
_ROUGHLY = 0.6
_ID = Column(
    SUBJECT,
    "a name for each row",
    frozenset({"id", "case", "caseid", "name", "subject", "studyid", "sample", "uid", "examid"}),
)
_IMAGES = frozenset({"image", "images", "img", "scan", "volume", "file", "filename", "path", "picture", "photo"})
"""What people call the columns that they mean by a name that is missing, in small letters only."""


class Truth(Enum):
    """What of masks and values is read: each, as training needs it; those that are there; or none, as a prediction
    needs none, so that what stands in their cells can be no fault of it."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    UNREAD = "unread"


@dataclass(frozen=True)
class Layout:
    """What a manifest should have.

    Attributes:
        inputs: names of the channels; None where no study says how many there are.
        columns: those with the truth.
        truth: whether it must be there; where it is not read, there are no `columns`.
        study: what cells are read by; None where it cannot be read itself.
        given: names of the columns that the network is given.
    """

    inputs: tuple[str, ...] | None
    columns: tuple[Column, ...]
    truth: Truth
    study: Study | None
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, study: Study, truth: Truth) -> Layout:
        """What the study needs."""
        columns = () if truth is Truth.UNREAD else target_of(study).columns(study)
        return cls(study.inputs, columns, truth, study, tuple(in_order(study.columns)))

    @classmethod
    def without_study(cls) -> Layout:
        """What every manifest has, for checks while the study itself cannot be read."""
        return cls(None, (Column(LABEL, "", frozenset(), is_file=True),), Truth.OPTIONAL, None)

    @property
    def truth_names(self) -> tuple[str, ...]:
        """The names of the columns with the truth."""
        return tuple(column.name for column in self.columns)

    @property
    def free(self) -> frozenset[str]:
        """The names of those whose cells may be empty."""
        return frozenset(column.name for column in self.columns if column.may_be_empty)

    def files(self, present: Collection[str]) -> tuple[str, ...]:
        """Those columns with the truth that are present and name masks."""
        return tuple(each.name for each in self.columns if each.is_file and not each.is_image and each.name in present)

    def images(self, present: Collection[str]) -> tuple[str, ...]:
        """Those that are present and name images that are to be made."""
        return tuple(column.name for column in self.columns if column.is_image and column.name in present)

    def cells(self, present: Collection[str]) -> tuple[str, ...]:
        """Those that are present and hold the truth itself."""
        return tuple(column.name for column in self.columns if not column.is_file and column.name in present)

    def described(self) -> Mapping[str, Column]:
        """The columns that a table must have, by name."""
        given = (Column(name, "what the network is given", frozenset()) for name in self.given)
        return {column.name: column for column in (_ID, *self.columns, *given)}


@dataclass(frozen=True)
class Columns:
    """Names of the columns in use; None for those that the manifest lacks or the study does not need.

    `unread` are those that would be in use and stand several times.
    """

    subject: str | None
    patient: str | None
    split: str | None
    channels: tuple[str, ...]
    label: str | None
    values: tuple[str, ...]
    unread: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def find_columns(table: Table, layout: Layout, findings: Findings) -> Columns:
    """The columns that the layout names; missing, surplus and mistyped ones become findings."""
    required = {SUBJECT, *layout.given, *(layout.truth_names if layout.truth is Truth.REQUIRED else ())}
    wanted = {SUBJECT, PATIENT, SPLIT, *layout.given, *layout.truth_names}
    _report_missing(table, layout, required, findings)
    _report_near_misses(table, wanted, required, findings)
    _report_channels(table, layout, findings)
    _report_twins(table, wanted, layout, findings)
    present = wanted & {*table.columns}
    return Columns(
        subject=SUBJECT if SUBJECT in present else None,
        patient=PATIENT if PATIENT in present else None,
        split=SPLIT if SPLIT in present else None,
        channels=() if layout.inputs == () else _channels(table.columns),
        given=tuple(name for name in layout.given if name in present),
        label=next(iter(layout.files(present)), None),
        values=layout.cells(present),
        targets=layout.images(present),
        unread=tuple(name for name in table.repeated if name in wanted or _CHANNEL.fullmatch(name)),
    )


def _channels(names: Iterable[str]) -> tuple[str, ...]:
    found = {int(match[1]): name for name in names if (match := _CHANNEL.fullmatch(name))}
    return tuple(found[number] for number in sorted(found))


def is_of_table(name: str) -> bool:
    """Whether a word is the name of a column that tables of cases have."""
    fixed = {SUBJECT, PATIENT, SPLIT, LABEL, VALUE, "Time", "Event"}
    numbered = _CHANNEL.fullmatch(name) or _TARGET.fullmatch(name)
    return name in fixed or name.startswith(f"{VALUE}_") or numbered is not None


def header_place(path: Path) -> str:
    """Where problems say to be that are those of a table's header."""
    return f"{path.name}, header"


def _report_missing(table: Table, layout: Layout, required: Collection[str], findings: Findings) -> None:
    described = layout.described()
    for name in sorted({*required} - {*table.columns, *table.repeated}):
        close = _meant(table, described[name])
        remedy = f"Is it {close[0]!r}? Then rename that column to {name}" if close else _without(described[name])
        what, got = f"the column {name!r} is missing", ", ".join(filter(None, table.columns))
        findings.add(what, where=header_place(table.path), got=got, expected=f"a column {name}", remedy=remedy)


def _report_near_misses(table: Table, wanted: set[str], required: set[str], findings: Findings) -> None:
    for name in sorted(wanted - required - {*table.columns, *table.repeated}):
        for column in table.columns:
            if _likeness(column, name) >= _NEAR:
                findings.add(
                    f"unknown column {column!r}",
                    where=header_place(table.path),
                    got=repr(column),
                    expected=repr(name),
                    remedy=f"Did you mean {name!r}? A free column needs a name that differs more",
                )


def _report_channels(table: Table, layout: Layout, findings: Findings) -> None:
    found = _channels((*table.columns, *table.repeated))
    if layout.inputs == () or (layout.inputs is None and not found and not _near_channels(table, layout)):
        return  # a study without images has none; in its table they are columns like others, which it does not name
    allowed = _allowed_channels(found, layout)
    if found not in allowed:
        expected = ", ".join(allowed[-1])
        inputs = f", one for each of {', '.join(layout.inputs)}" if layout.inputs else ""
        fitting = "do not fit the study's inputs" if layout.inputs else "are not called Channel_0, Channel_1 and so on"
        findings.add(
            f"the channel columns {fitting}",
            where=header_place(table.path),
            got=f"{len(found)} ({', '.join(found)})" if found else "none",
            expected=f"{len(allowed[-1])} ({expected}){inputs}",
            remedy=_near_channels(table, layout) or "Add or rename columns until there is one for each input",
        )


def _report_twins(table: Table, wanted: Collection[str], layout: Layout, findings: Findings) -> None:
    """Columns beside those in use whose names differ from theirs by capital letters alone."""
    channels = _channels(table.columns)
    in_use = {name.casefold(): name for name in table.columns if name in wanted or name in channels}
    free = [f"Channel_{index}" for index in range(len(layout.inputs or ())) if f"Channel_{index}" not in channels]
    for column in table.columns:
        name = in_use.get(column.casefold(), column)
        if name != column:
            other = f"Rename it to {free[0]}" if name in channels and free else "Give it a name of its own"
            findings.add(
                f"the column {column!r} differs from {name!r} only by capital letters",
                where=header_place(table.path),
                got=f"{name} and {column}",
                expected="names that people can tell apart",
                remedy=f"{other}, or remove it",
            )


def _allowed_channels(found: tuple[str, ...], layout: Layout) -> tuple[tuple[str, ...], ...]:
    """One column for one file with all inputs (RGB, a fourth axis), or one column per input."""
    count = max(1, len(found)) if layout.inputs is None else len(layout.inputs)
    return ("Channel_0",), tuple(f"Channel_{index}" for index in range(count))


def _near_channels(table: Table, layout: Layout) -> str:
    near = [name for name in table.columns if not _CHANNEL.fullmatch(name) and re.match(r"(?i)chann?els?\W*_*\d", name)]
    if near:
        return f"Is it {' and '.join(map(repr, near))}? The names are Channel_0, Channel_1 ..."
    named = {_letters(name) for name in layout.inputs or ()} | _IMAGES
    meant = [name for name in table.columns if _letters(name) in named]
    return (
        f"Is it {' and '.join(map(repr, meant))}? Rename to Channel_0, Channel_1 ..., in the study's order"
        if meant
        else ""
    )


def _meant(table: Table, missing: Column) -> list[str]:
    """Columns that may be the missing one: by its spelling first, then by what people call it."""
    near = [column for column in table.columns if _likeness(column, missing.name) >= _NEAR]
    called = [column for column in table.columns if _letters(column) in missing.also_called]
    rough = [column for column in table.columns if column and _likeness(column, missing.name) >= _ROUGHLY]
    return near or called or rough


def _without(missing: Column) -> str:
    return f"Add a column called {missing.name}, with {missing.holds}; or rename the column that has them"


def _likeness(column: str, name: str) -> float:
    return difflib.SequenceMatcher(None, _letters(column), _letters(name)).ratio()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
