"""Tables of GaNDLF: used as they are, or joined into one where sets have a file each.

GaNDLF knows a column by a part of its name in any letters (`channel`, `modality` or `image`; `subject`, `patient` or
`pid`; `label`, `mask`, `segmentation` or `ground truth`; `valuetopredict`), and reads paths from where the table lies.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.assignment import SETS
from wardround.engine.cohort.columns import LABEL, PATIENT, SPLIT, SUBJECT, VALUE
from wardround.engine.cohort.tables import Table, named_table, read_lines

_CHANNELS = "Channel"
_READ_AS = (
    (re.compile(r"channel|modality|image"), _CHANNELS),
    (re.compile(r"valuetopredict"), VALUE),
    (re.compile(r"subject|patient|pid"), SUBJECT),
    (re.compile(r"label|mask|segmentation|ground_?truth"), LABEL),
)
_OWN = frozenset({SUBJECT, PATIENT, SPLIT, LABEL, VALUE})


@dataclass(frozen=True)
class Tables:
    """The tables of a configuration.

    Attributes:
        columns: the names that its columns have here.
        text: one table for all; empty where the only one can be used as it is.
        renamed: names of columns that became others.
    """

    columns: tuple[str, ...]
    text: str
    renamed: Mapping[str, str]


def read_tables(paths: Mapping[str, Path], place: Path) -> Tables:
    """The tables by the set that each is of, or one alone by an empty name; their paths seen from `place`.

    Raises `InputError` with all that is wrong with them as tables; cells are left to `wardround check`.
    """
    findings, read = Findings(), dict[str, Table]()
    for name, path in paths.items():
        with findings.gather():
            read[name] = named_table(path, read_lines(path), findings)
    findings.raise_if_any()
    names = {name: _names(table.columns) for name, table in read.items()}
    columns = tuple(dict.fromkeys(new for each in names.values() for new in each.values()))
    _require_alike(read, names)
    renamed = {old: new for each in names.values() for old, new in each.items() if old != new}
    if [*read] == [""] and not renamed:
        return Tables(columns, "", {})
    return Tables(columns, _joined(read, names, columns, place), renamed)


def _names(columns: Sequence[str]) -> dict[str, str]:
    """The names of a table's columns here, by those that they have."""
    if SUBJECT in columns and any(re.fullmatch(r"Channel_\d+", name) for name in columns):
        return {name: name for name in columns}
    found, channels = dict[str, str](), 0
    for name in columns:
        meant = _meant(name.lower())
        if meant == _CHANNELS:
            found[name], channels = f"Channel_{channels}", channels + 1
        else:
            found[name] = name if not meant or meant in found.values() else meant
    return found


def _meant(lowered: str) -> str:
    """What GaNDLF takes a column for; empty for one that it does not read. The first that fits counts."""
    return next((meant for pattern, meant in _READ_AS if pattern.search(lowered)), "")


def _require_alike(read: Mapping[str, Table], names: Mapping[str, Mapping[str, str]]) -> None:
    """Raise `InputError` where tables of one study have other columns, or state sets themselves."""
    findings = Findings()
    first, *others = [{new for new in each.values() if _is_used(new)} for each in names.values()]
    for (_, table), found in zip([*read.items()][1:], others, strict=True):
        if found != first:
            got, expected = ", ".join(sorted(found)), f"those of the first table: {', '.join(sorted(first))}"
            findings.add("the tables have other columns", where=str(table.path), got=got, expected=expected)
    for name, table in read.items():
        if name and SPLIT in names[name].values():
            remedy = "Take the column out, or use the one table as it is"
            findings.add("the table states sets itself", where=str(table.path), got=SPLIT, remedy=remedy)
    findings.raise_if_any()


def _is_used(name: str) -> bool:
    return name in _OWN or name.startswith("Channel_")


def _joined(
    read: Mapping[str, Table], names: Mapping[str, Mapping[str, str]], columns: Sequence[str], place: Path
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    is_split = [*read] != [""]
    writer.writerow([*columns, *([SPLIT] if is_split else [])])
    for name, table in read.items():
        back = {new: old for old, new in names[name].items()}
        for row in table.rows:
            cells = [_cell(row.cells.get(back.get(column, ""), ""), column, table.path, place) for column in columns]
            writer.writerow([*cells, *([name] if is_split else [])])
    return text.getvalue()


def _cell(cell: str, column: str, table: Path, place: Path) -> str:
    """A cell; the path of a file is written as it is seen from where the new table lies."""
    is_path = column == LABEL or column.startswith("Channel_")
    if not cell or not is_path or Path(cell).is_absolute():
        return cell
    return Path(os.path.relpath(table.absolute().parent / cell, place.absolute())).as_posix()


def named_sets(
    manifest: Path | None, train: Path | None, validation: Path | None, test: Path | None
) -> dict[str, Path]:
    """The tables that were named, by their sets; one for all by an empty name.

    Raises `InputError` where sets have tables and those of training or validation have none, or one for all is there
    beside them.
    """
    given = {name: path for name, path in zip(SETS, (train, validation, test), strict=True) if path is not None}
    if given and (manifest is not None or train is None or validation is None):
        named = [*(["manifest"] if manifest else []), *given]
        raise InputError.one(
            "these tables do not go together",
            got=" and ".join(f"--{name}" for name in named),
            expected="--manifest alone; or --train and --validation, and --test where there is one",
        )
    return given if manifest is None else {"": manifest}
