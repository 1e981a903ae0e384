"""Splits of a cohort: nested folds, grouped by patient, stratified by class, or the sets that the manifest states.

Fresh folds are a function of the study's seed and the patients' names; the order of the manifest plays no part. With a
record of an earlier split (`assignment`), patients that were placed stay where they were, and newcomers join them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.randomness import stream_key
from wardround.engine.cohort.assignment import (
    SETS,
    STATED,
    Assignment,
    Register,
    SetConflict,
    joining_fold,
    joining_order,
)
from wardround.engine.cohort.models import Case, Cohort, Split
from wardround.engine.cohort.shortage import emptied, require_members, require_patients
from wardround.engine.cohort.stratify import balanced_folds
from wardround.engine.study.models import Study
from wardround.engine.targets import strata_of, target_of

Cases = tuple[Case, ...]


class Folds(StrEnum):
    """Which splits a command makes: every outer fold with its first inner fold, or with all of its inner folds."""

    ALL = "all"
    NESTED = "nested"


@dataclass(frozen=True)
class OuterFold:
    """A test set and the ways of splitting the rest into training and validation, all with this test set."""

    test: Cases
    inner: tuple[Split, ...]


@dataclass(frozen=True)
class NamedSplit:
    """A split and the name of its run folder."""

    name: str
    split: Split


@dataclass(frozen=True)
class SplitPlan:
    """The splits that a command asked for, and the record that keeps every patient of them in its set from now on."""

    splits: tuple[NamedSplit, ...]
    assignment: Assignment


def split_cohort(study: Study, cohort: Cohort, fold: int = 0, known: Assignment | None = None) -> Split:
    """Training, validation and test cases.

    Without a `Split` column outer fold `fold` is the test set and inner fold 0 of the rest the validation set. With
    one, its sets are taken; where it names no validation set, inner fold 0 of its training set serves, and where it
    names no test set, there is none. Raises `InputError` for too few patients or a fold that does not exist.
    """
    return _Folding(study, cohort, known).split(fold)


def nested_folds(study: Study, cohort: Cohort, known: Assignment | None = None) -> tuple[OuterFold, ...]:
    """Every outer fold with its inner folds; a single outer fold where the manifest states the sets."""
    return _Folding(study, cohort, known).nested()


def plan_splits(study: Study, cohort: Cohort, folds: Folds | int, known: Assignment | None = None) -> SplitPlan:
    """The splits to run, with their record.

    A number is that outer fold with inner fold 0; `all` is every outer fold with its inner fold 0; `nested` is every
    outer fold with each of its inner folds. Raises `InputError` for a fold that does not exist or cannot be made.
    """
    folding = _Folding(study, cohort, known)
    splits = tuple(_named(folding, folds))
    return SplitPlan(splits, folding.record())


def chosen_splits(
    study: Study, cohort: Cohort, folds: Folds | int, known: Assignment | None = None
) -> tuple[NamedSplit, ...]:
    """The splits of `plan_splits` alone."""
    return plan_splits(study, cohort, folds, known).splits


def _named(folding: _Folding, folds: Folds | int) -> Iterable[NamedSplit]:
    if isinstance(folds, int):
        yield NamedSplit(f"fold-{folds}", folding.split(folds))
    elif folds is Folds.ALL:
        yield from (NamedSplit(f"fold-{number}", folding.split(number)) for number in range(folding.count))
    else:
        for number, fold in enumerate(folding.nested()):
            yield from (NamedSplit(f"fold-{number}-inner-{inner}", split) for inner, split in enumerate(fold.inner))


class _Folding:
    """The folds of one cohort, made level by level; what is made is entered into the record."""

    def __init__(self, study: Study, cohort: Cohort, known: Assignment | None) -> None:
        self._study, self._cohort = study, cohort
        self._register = Register(study, cohort, known)
        self._stated = any(case.split is not None for case in cohort.cases)

    @property
    def count(self) -> int:
        """How many outer folds there are."""
        return 1 if self._stated else self._study.validation.outer_folds

    def record(self) -> Assignment:
        """Everybody's place, in the folds that were made and in those known before."""
        return self._register.record()

    def split(self, fold: int) -> Split:
        """One outer fold with its first inner fold."""
        self._require_fold(fold)
        if self._stated:
            return self._sound(self._of_column()[0])
        return self._sound(self._inner(self._outer()[fold], fold)[0])

    def nested(self) -> tuple[OuterFold, ...]:
        """Every outer fold with all of its inner ones."""
        if self._stated:
            splits = self._of_column()
            return (OuterFold(splits[0].test, tuple(map(self._sound, splits))),)
        return tuple(
            OuterFold(test, tuple(map(self._sound, self._inner(test, number))))
            for number, test in enumerate(self._outer())
        )

    def _outer(self) -> tuple[Cases, ...]:
        return self._folds(self._cohort.cases, self._study.validation.outer_folds, "outer")

    def _inner(self, test: Cases, outer: int) -> tuple[Split, ...]:
        held_out = {case.subject for case in test}
        rest = [case for case in self._cohort.cases if case.subject not in held_out]
        validations = self._folds(rest, self._study.validation.inner_folds, f"inner {outer}")
        return tuple(Split(_without(rest, validation), validation, test) for validation in validations)

    def _of_column(self) -> tuple[Split, ...]:
        self._require_kept()
        train, validation, test = (_ordered(case for case in self._cohort.cases if case.split == name) for name in SETS)
        if not train:
            where = f"{self._cohort.manifest.name}, Split"
            remedy = "Set some rows to train, or remove the column to have the folds made"
            raise InputError.one("the training set is empty", where=where, remedy=remedy)
        return (Split(train, validation, test),) if validation else self._inner(test, 0)

    def _require_kept(self) -> None:
        """Enter the stated sets into the record. Raises `InputError` where a patient was in another one."""
        findings = Findings()
        for case in self._cohort.cases:
            if case.split is None:
                continue
            now = SETS.index(case.split)
            then = self._register.fold_of(case.patient, STATED)
            if then is not None and then != now:
                conflict = SetConflict(
                    f"the patient {case.patient!r} was a {SETS[then]} case when this work began",
                    where=self._cohort.place(case, "Split"),
                    got=SETS[now],
                    expected=SETS[then],
                    remedy="Put it back, or begin a new run in another folder",
                )
                findings.extend([conflict])
            else:
                self._register.place(case.patient, STATED, now)
        findings.raise_if_any()

    def _folds(self, cases: Sequence[Case], count: int, level: str) -> tuple[Cases, ...]:
        """`count` disjoint sets of cases that together are `cases`; no patient is in two of them."""
        patients = {case.patient for case in cases}
        known = {patient for patient in patients if self._register.fold_of(patient, level) is not None}
        if known:
            self._join(patients - known, cases, count, level)
        else:
            self._begin(patients, cases, count, level)
        sets: list[list[Case]] = [[] for _ in range(count)]
        for case in _ordered(cases):
            sets[self._register.fold_of(case.patient, level) or 0].append(case)
        return tuple(map(tuple, sets))

    def _begin(self, patients: set[str], cases: Sequence[Case], count: int, level: str) -> None:
        """Fresh folds of like size and like mix of classes; none is empty."""
        ranked = sorted(patients, key=lambda name: stream_key(self._study.seed, "folds", level, name))
        require_patients(self._cohort, cases, self._study, level)
        require_members(self._cohort, cases, self._study, level)
        strata = strata_of(self._study, [case.value for case in cases])
        kinds = sorted(set(strata))
        counts = np.zeros((len(ranked), len(kinds)))
        rows, columns = {name: rank for rank, name in enumerate(ranked)}, {name: at for at, name in enumerate(kinds)}
        for case, stratum in zip(cases, strata, strict=True):
            counts[rows[case.patient], columns[stratum]] += 1
        for patient, fold in zip(ranked, balanced_folds(counts, count).tolist(), strict=True):
            self._register.place(patient, level, fold)

    def _join(self, newcomers: set[str], cases: Sequence[Case], count: int, level: str) -> None:
        values: dict[str, list[str]] = {patient: [] for patient in newcomers}
        for case in cases:
            if case.patient in newcomers:
                values[case.patient].append(target_of(self._study).stratum(case.value))
        sizes = self._register.sizes(level, count)
        for patient in joining_order(self._study, level, newcomers):
            fold = joining_fold(sizes, values[patient])
            sizes[fold].update(values[patient])
            self._register.place(patient, level, fold)

    def _sound(self, split: Split) -> Split:
        """A split that can be trained and validated; patients that have left the table may have emptied a set."""
        for name in ("training", "validation"):
            if not split.sets[name]:
                what, where = f"no case of the {name} set is left in the table", self._cohort.manifest.name
                raise emptied(what, where, "Put its rows back, or begin a new run in another folder")
        return split

    def _require_fold(self, fold: int) -> None:
        require_fold(fold, self.count, is_stated=bool(self._stated), where=self._cohort.manifest.name)


def require_fold(fold: int, count: int, *, is_stated: bool, where: str) -> None:
    """Raise `InputError` for a fold that is none of `count`; `is_stated`: a table says who is in which set."""
    if 0 <= fold < count:
        return
    stated = "The manifest's Split column fixes the one split there is"
    remedy = "Folds are counted from 0; write one of these, or more `outer_folds` in the study"
    raise InputError.one(
        f"there is no fold {fold}",
        where=where,
        got=str(fold),
        expected="0" if count == 1 else f"0 to {count - 1}",
        remedy=stated if is_stated else remedy,
    )


def _without(cases: Sequence[Case], left_out: Cases) -> Cases:
    subjects = {case.subject for case in left_out}
    return _ordered(case for case in cases if case.subject not in subjects)


def _ordered(cases: Iterable[Case]) -> Cases:
    return tuple(sorted(cases, key=lambda case: (case.patient, case.subject)))
