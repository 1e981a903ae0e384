"""Too few patients for the folds of a study: what whoever writes it is told, and whoever has accepted it as a plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.study.models import Study
from wardround.engine.study.sections import Validation
from wardround.engine.targets import target_of

_LEAST_FOLDS = 2
"""No study may ask for fewer."""
_ADD = "Add cases of other patients, or state the sets in a Split column"


@dataclass(frozen=True)
class TooFew(Problem):
    """A table that is too small for the folds of its study.

    Attributes:
        for_plan: the same for those who have accepted the study and cannot change it; it has a remedy only where the
            table itself is to be corrected.
    """

    for_plan: Problem = field(default_factory=lambda: Problem(""))


def require_patients(cohort: Cohort, cases: Sequence[Case], study: Study, level: str) -> None:
    """Raise `InputError` where `cases`, which are folded at a level, are of fewer patients than folds."""
    found, count, patients = len({case.patient for case in cases}), _count(study.validation, level), cohort.patients
    if found >= count:
        return
    kind, few = level.split()[0], "patients" if patients.stated else "rows"
    rest = " outside the test set" if kind == "inner" else ""
    rule = "" if patients.stated else ", each of which counts as a patient"
    raise InputError(
        [
            TooFew(
                f"too few {few} for {count} {kind} folds",
                cohort.manifest.name,
                patients.counted(found) + rest + rule,
                f"at least {count}",
                _one_for_all(cohort) or _folds_that_go(cohort, cases, study),
                _for_plan(cohort, found, study.validation, level),
            )
        ]
    )


def require_members(cohort: Cohort, cases: Sequence[Case], study: Study, level: str) -> None:
    """Raise `InputError` where no class has a case for each fold of a level."""
    most, count, kind = _members(study, cases), _count(study.validation, level), level.split()[0]
    if most >= count:
        return
    where, got = cohort.manifest.name, f"at most {most} cases of a class"
    expected, remedy = f"at least {count} cases of one class", _folds_that_go(cohort, cases, study)
    for_plan = Problem("every class has too few cases for this plan", where, got, expected)
    raise InputError(
        [TooFew(f"every class has too few cases for {count} {kind} folds", where, got, expected, remedy, for_plan)]
    )


def emptied(what: str, where: str, remedy: str) -> InputError:
    """The error for a set without a case, which whoever has accepted the study mends in the table as well."""
    return InputError([TooFew(what, where, remedy=remedy, for_plan=Problem(what, where))])


def least_patients(outer: int, inner: int) -> int:
    """How many patients give so many outer folds, and inner folds of those who are left beside any test set."""
    found = outer
    while found - -(-found // outer) < inner:
        found += 1
    return found


def _members(study: Study, cases: Sequence[Case]) -> int:
    """How many cases the largest class, or other stratum, has."""
    stratum = target_of(study).stratum
    return max(Counter(stratum(case.value) for case in cases).values())


def _count(validation: Validation, level: str) -> int:
    return validation.outer_folds if level == "outer" else validation.inner_folds


def _for_plan(cohort: Cohort, found: int, validation: Validation, level: str) -> Problem:
    """The shortage as one of all patients, since nobody at a site knows what a fold is."""
    stated = any(case.split is not None for case in cohort.cases)
    short = _count(validation, level) - found
    total = found if stated else len({case.patient for case in cohort.cases})
    least = 0 if stated else least_patients(validation.outer_folds, validation.inner_folds)
    whose = " with Split train" if stated else ""
    verb = "is" if total == 1 else "are"
    return Problem(
        f"{cohort.patients.counted(total)}{whose} {verb} too few for this plan",
        cohort.manifest.name,
        "" if cohort.patients.stated else "a table without PatientID, in which each row counts as a patient",
        f"at least {max(least, total + short)}",
        _one_for_all(cohort),
    )


def _folds_that_go(cohort: Cohort, cases: Sequence[Case], study: Study) -> str:
    """What to write so that outer and inner folds can both be made, of as many as the study wants if possible."""
    is_stated = any(case.split is not None for case in cohort.cases)
    rows = cases if is_stated else cohort.cases
    patients = len({case.patient for case in rows})
    validation, members = study.validation, _members(study, rows)
    most = min(patients, members)
    if is_stated:
        inner = min(validation.inner_folds, most)
        return _write({"inner_folds": inner}, cohort, patients) if inner >= _LEAST_FOLDS else _ADD
    for outer in (min(validation.outer_folds, most), most):
        inner = min(validation.inner_folds, *(each - -(-each // outer) for each in (patients, members)))
        if outer >= _LEAST_FOLDS <= inner:
            return _write({"outer_folds": outer, "inner_folds": inner}, cohort, patients)
    return _ADD


def _write(folds: Mapping[str, int], cohort: Cohort, patients: int) -> str:
    lines = " and ".join(f"`{key}: {count}`" for key, count in folds.items())
    allowed = cohort.patients.counted(patients)
    return f"In the study's `validation` write {lines}, which {allowed} allow, or state the sets in a Split column"


def _one_for_all(cohort: Cohort) -> str:
    """What to do where one name was written for all patients; empty where there are several."""
    named, rows = {case.patient for case in cohort.cases}, len(cohort.cases)
    is_one = len(named) == 1 and rows > 1
    return f"All {rows} rows have the PatientID {min(named)!r}: write each patient's own" if is_one else ""
