"""Splits of a cohort: nested folds, grouped by patient, stratified by class, or the sets that the manifest states.

The folds are a function of the study's seed and the patients' names; the order of the manifest plays no part.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import stream_key
from wardround.engine.cohort.models import Case, Cohort, Split
from wardround.engine.study.models import Study

Cases = tuple[Case, ...]


@dataclass(frozen=True)
class OuterFold:
    """A test set and the ways of splitting the rest into training and validation, all with this test set."""

    test: Cases
    inner: tuple[Split, ...]


def split_cohort(study: Study, cohort: Cohort, fold: int = 0) -> Split:
    """Training, validation and test cases.

    Without a `Split` column outer fold `fold` is the test set and inner fold 0 of the rest the validation set. With
    one, its sets are taken; where it names no validation set, inner fold 0 of its training set serves, and where it
    names no test set, there is none. Raises `InputError` for too few patients or a fold that does not exist.
    """
    if _is_stated(cohort):
        _require_fold(fold, 1, cohort)
        return _stated_fold(study, cohort).inner[0]
    _require_fold(fold, study.validation.outer_folds, cohort)
    test = _folds(study, cohort.cases, study.validation.outer_folds, "outer", cohort)[fold]
    return _inner(study, cohort, test, fold)[0]


def nested_folds(study: Study, cohort: Cohort) -> tuple[OuterFold, ...]:
    """Every outer fold with its inner folds; a single outer fold where the manifest states the sets."""
    if _is_stated(cohort):
        return (_stated_fold(study, cohort),)
    tests = _folds(study, cohort.cases, study.validation.outer_folds, "outer", cohort)
    return tuple(OuterFold(test, _inner(study, cohort, test, index)) for index, test in enumerate(tests))


def require_patients(study: Study, cohort: Cohort) -> None:
    """Raise `InputError` if there are too few patients for the study's folds; makes no folds, so it is quick.

    The largest test set has at least one patient in `outer_folds`, rounded up, so the rest bounds the inner folds.
    """
    inner, outer = study.validation.inner_folds, study.validation.outer_folds
    if _is_stated(cohort):
        names = {case.split for case in cohort.cases}
        train = _cases_of(cohort, "train")
        _require_training(train, cohort)
        if "validation" not in names:
            _require_patients(_patients(train), inner, "inner", cohort)
        return
    patients = _patients(cohort.cases)
    _require_patients(patients, outer, "outer", cohort)
    _require_patients(patients - -(-patients // outer), inner, "inner", cohort)


def _patients(cases: Iterable[Case]) -> int:
    return len({case.patient for case in cases})


def _is_stated(cohort: Cohort) -> bool:
    return any(case.split is not None for case in cohort.cases)


def _require_fold(fold: int, count: int, cohort: Cohort) -> None:
    if not 0 <= fold < count:
        remedy = "The manifest's Split column fixes the one split there is" if _is_stated(cohort) else ""
        expected = "0" if count == 1 else f"0 to {count - 1}"
        raise InputError.one(f"there is no fold {fold}", where=cohort.manifest.name, expected=expected, remedy=remedy)


def _stated_fold(study: Study, cohort: Cohort) -> OuterFold:
    train, validation, test = (_cases_of(cohort, name) for name in ("train", "validation", "test"))
    _require_training(train, cohort)
    if validation:
        return OuterFold(test, (Split(train, validation, test),))
    return OuterFold(test, _inner(study, cohort, test, 0))


def _require_training(train: Cases, cohort: Cohort) -> None:
    if not train:
        raise InputError.one(
            "the training set is empty",
            where=f"{cohort.manifest.name}, Split",
            remedy="Set some rows to train, or remove the column to have the folds made",
        )


def _cases_of(cohort: Cohort, name: str) -> Cases:
    return _ordered(case for case in cohort.cases if case.split == name)


def _inner(study: Study, cohort: Cohort, test: Cases, outer: int) -> tuple[Split, ...]:
    held_out = {case.subject for case in test}
    rest = [case for case in cohort.cases if case.subject not in held_out]
    validations = _folds(study, rest, study.validation.inner_folds, f"inner {outer}", cohort)
    return tuple(Split(_without(rest, validation), validation, test) for validation in validations)


def _without(cases: Sequence[Case], left_out: Cases) -> Cases:
    subjects = {case.subject for case in left_out}
    return _ordered(case for case in cases if case.subject not in subjects)


def _ordered(cases: Iterable[Case]) -> Cases:
    return tuple(sorted(cases, key=lambda case: (case.patient, case.subject)))


def _folds(study: Study, cases: Sequence[Case], count: int, purpose: str, cohort: Cohort) -> tuple[Cases, ...]:
    """`count` disjoint sets of cases that together are `cases`; no patient is in two of them, none is empty."""
    from sklearn.model_selection import StratifiedGroupKFold

    ordered, level = _ordered(cases), purpose.split()[0]
    patients = sorted({case.patient for case in cases}, key=lambda name: stream_key(study.seed, "folds", purpose, name))
    _require_patients(len(patients), count, level, cohort)
    ranks = {patient: rank for rank, patient in enumerate(patients)}
    groups = [ranks[case.patient] for case in ordered]
    strata = [case.value or "" for case in ordered]
    _require_members(strata, count, level, cohort)
    with warnings.catch_warnings():
        # A class with fewer patients than folds is missing from some of them; the inspection tells the user.
        warnings.simplefilter("ignore", UserWarning)
        splits = list(StratifiedGroupKFold(count).split(strata, strata, groups))
    return tuple(tuple(ordered[index] for index in chosen) for _, chosen in splits)


def _require_patients(found: int, count: int, level: str, cohort: Cohort) -> None:
    if found < count:
        raise InputError.one(
            f"too few patients for {count} {level} folds",
            where=cohort.manifest.name,
            got=f"{found} patients" + (" outside the test set" if level == "inner" else ""),
            expected=f"at least {count}",
            remedy=f"Lower validation.{level}_folds in the study, or state the sets in a Split column",
        )


def _require_members(strata: Sequence[str], count: int, level: str, cohort: Cohort) -> None:
    most = max(Counter(strata).values())
    if most < count:
        raise InputError.one(
            f"every class has too few cases for {count} {level} folds",
            where=cohort.manifest.name,
            got=f"at most {most} cases of a class",
            expected=f"at least {count} cases of one class",
            remedy=f"Lower validation.{level}_folds in the study, or state the sets in a Split column",
        )
