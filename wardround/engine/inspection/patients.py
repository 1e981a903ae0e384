"""Whether a table tells patients apart: not without a column for them, nor with one patient under several names.

Images of one person in training and test make a model look better than it is; nobody else can know of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.alike import alike_patients
from wardround.engine.cohort.models import Cohort

_SHOWN_PATIENTS = 3
_SHOWN_NAMES = 6


def patient_notices(cohort: Cohort) -> tuple[Problem, ...]:
    """What is worth knowing of the patients of a table."""
    return *_rows_for_patients(cohort), *_one_under_several_names(cohort)


def _one_under_several_names(cohort: Cohort) -> Iterator[Problem]:
    alike = [*alike_patients(cohort)]
    if not alike:
        return
    column = "PatientID" if cohort.patients.stated else "SubjectID"
    mend = (
        "write one form in all rows" if cohort.patients.stated else "add the column PatientID with one entry for them"
    )
    shown = "; ".join(map(_spelt, alike[:_SHOWN_PATIENTS]))
    more = f"; and {len(alike) - _SHOWN_PATIENTS} more such groups" if len(alike) > _SHOWN_PATIENTS else ""
    yield Problem(
        f"{column}s that differ only by capital letters, accents, signs between the parts or zeros may be one patient: "
        f"{shown}{more}",
        where=cohort.manifest.name,
        remedy=f"If they are, {mend}: a patient under several names falls into training and test",
    )


def _spelt(names: Mapping[str, int]) -> str:
    shown = [f"{name!r} (line {line})" for name, line in [*names.items()][:_SHOWN_NAMES]]
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(shown) + more


def _rows_for_patients(cohort: Cohort) -> Iterator[Problem]:
    if cohort.patients.stated or not any(case.row for case in cohort.cases):
        return
    likely = " or ".join(cohort.patients.likely)
    yield Problem(
        "there is no PatientID column, so each row counts as a patient of its own, and images of one person may fall "
        "into different sets" + (f". It looks as if patients were told apart by {likely}" if likely else ""),
        where=cohort.manifest.name,
        remedy="If any person has more than one row, add the column PatientID with the same entry in all of them",
    )
