"""Which column of a manifest plays which part, and what is said about columns that miss their name by a little."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wardround.engine.basics.problems import Findings, did_you_mean
from wardround.engine.cohort.tables import Table
from wardround.engine.study.models import Study

SUBJECT, PATIENT, SPLIT, LABEL, VALUE = "SubjectID", "PatientID", "Split", "Label", "ValueToPredict"
_CHANNEL = re.compile(r"Channel_(\d+)")
_NEAR = 0.85


@dataclass(frozen=True)
class Columns:
    """Names of the columns in use; None for those that the manifest lacks or the study does not need."""

    subject: str | None
    patient: str | None
    split: str | None
    channels: tuple[str, ...]
    label: str | None
    value: str | None


def find_columns(table: Table, study: Study, findings: Findings, *, truth_required: bool) -> Columns:
    """The columns that the study needs; missing, surplus and mistyped ones become findings."""
    truth = LABEL if study.task == "segmentation" else VALUE
    channels = tuple(f"Channel_{index}" for index in range(len(study.inputs)))
    required = (SUBJECT, *channels, *((truth,) if truth_required else ()))
    _report_channels(table, study, findings)
    missing = [name for name in required if name not in table.columns and not _CHANNEL.fullmatch(name)]
    for name in missing:
        findings.add(
            f"the column {name!r} is missing",
            where=f"{table.path.name}, header",
            remedy=_suggestion(name, table.columns),
        )
    expected = {SUBJECT, PATIENT, SPLIT, truth, *channels}
    _report_near_misses(table, expected - {*missing}, findings)
    present = expected & {*table.columns}
    return Columns(
        subject=SUBJECT if SUBJECT in present else None,
        patient=PATIENT if PATIENT in present else None,
        split=SPLIT if SPLIT in present else None,
        channels=tuple(name for name in channels if name in present),
        label=LABEL if LABEL in present else None,
        value=VALUE if VALUE in present else None,
    )


def _report_channels(table: Table, study: Study, findings: Findings) -> None:
    found = [name for name in table.columns if _CHANNEL.fullmatch(name)]
    expected = [f"Channel_{index}" for index in range(len(study.inputs))]
    if sorted(found) != sorted(expected):
        findings.add(
            "the channel columns do not fit the study's inputs",
            where=f"{table.path.name}, header",
            got=f"{len(found)} ({', '.join(found)})" if found else "none",
            expected=f"{len(expected)} ({', '.join(map('{} for {}'.format, expected, study.inputs))})",
        )


def _report_near_misses(table: Table, expected: Iterable[str], findings: Findings) -> None:
    for name in sorted({*expected} - {*table.columns}):
        for column in table.columns:
            if column and _is_near(column, name) and not _CHANNEL.fullmatch(column):
                findings.add(
                    f"unknown column {column!r}",
                    where=f"{table.path.name}, header",
                    remedy=f"Did you mean {name!r}? A free column needs a name that differs more",
                )


def _is_near(column: str, name: str) -> bool:
    plain, wanted = _letters(column), _letters(name)
    return plain == wanted or difflib.SequenceMatcher(None, plain, wanted).ratio() >= _NEAR


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _suggestion(name: str, columns: Iterable[str]) -> str:
    found = did_you_mean(name, [column for column in columns if column])
    return found.replace("Did you mean", "Is it").replace("Known", "Columns here")
