"""Folds: no patient in two sets, every case tested once, and nothing but seed and patients decides."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.manifests import cohort_of
from tests.support.studies import CLASSIFICATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Split, nested_folds, split_cohort
from wardround.engine.cohort.shortage import TooFew, least_patients
from wardround.engine.study import Study


def study_with(outer: int, inner: int, seed: int = 42) -> Study:
    validation = {"outer_folds": outer, "inner_folds": inner, "metrics": ["accuracy"], "select": "accuracy"}
    return study_of(changed(CLASSIFICATION, validation=validation, seed=seed))


VALUES = st.sampled_from(["0", "1"])
COHORTS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=6), st.lists(VALUES, min_size=1, max_size=4),
    min_size=8, max_size=30,
).map(cohort_of)  # fmt: skip


def patients_of(cases: tuple[Case, ...]) -> set[str]:
    return {case.patient for case in cases}


def subjects_of(cases: tuple[Case, ...]) -> list[str]:
    return sorted(case.subject for case in cases)


def assert_disjoint_and_complete(split: Split, cohort: Cohort) -> None:
    train, validation, test = (patients_of(cases) for cases in (split.train, split.validation, split.test))
    assert train
    assert validation
    assert not train & validation
    assert not (train | validation) & test
    assert subjects_of((*split.train, *split.validation, *split.test)) == subjects_of(cohort.cases)


@settings(deadline=None, max_examples=60)
@given(COHORTS, st.integers(2, 4), st.integers(2, 3), st.integers(0, 2**40))
def test_no_patient_is_in_two_sets_and_every_case_is_tested_once(
    cohort: Cohort, outer: int, inner: int, seed: int
) -> None:
    study = study_with(outer, inner, seed)
    assume(max(Counter(case.value for case in cohort.cases).values()) >= outer)
    try:
        folds = nested_folds(study, cohort)
    except InputError:
        assume(False)
    assert len(folds) == outer
    assert subjects_of(tuple(case for fold in folds for case in fold.test)) == subjects_of(cohort.cases)
    for fold in folds:
        assert fold.test
        assert len(fold.inner) == inner
        validated = tuple(case for split in fold.inner for case in split.validation)
        assert subjects_of((*validated, *fold.test)) == subjects_of(cohort.cases)
        for split in fold.inner:
            assert split.test == fold.test
            assert_disjoint_and_complete(split, cohort)


@settings(deadline=None, max_examples=40)
@given(COHORTS, st.integers(0, 2**40), st.randoms(use_true_random=False))
def test_the_order_of_the_manifest_plays_no_part(cohort: Cohort, seed: int, shuffler: random.Random) -> None:
    study = study_with(2, 2, seed)
    shuffled = list(cohort.cases)
    shuffler.shuffle(shuffled)
    assert nested_folds(study, Cohort(Path("other.csv"), tuple(shuffled))) == nested_folds(study, cohort)


def test_the_seed_decides() -> None:
    cohort = cohort_of({f"p{number}": ["0", "1"] for number in range(20)})
    splits = {patients for seed in range(6) if (patients := tuple(sorted(_test_patients(cohort, seed))))}
    assert len(splits) > 3


def _test_patients(cohort: Cohort, seed: int) -> set[str]:
    return patients_of(split_cohort(study_with(5, 2, seed), cohort).test)


def test_folds_are_stratified_by_class() -> None:
    cohort = cohort_of({f"p{number}": ["1" if number % 5 == 0 else "0"] for number in range(100)})
    for fold in nested_folds(study_with(5, 4), cohort):
        assert Counter(case.value for case in fold.test) == {"0": 16, "1": 4}
        for split in fold.inner:
            assert Counter(case.value for case in split.validation) == {"0": 16, "1": 4}


def test_without_classes_folds_have_equal_sizes() -> None:
    cohort = cohort_of({f"p{number}": [None] for number in range(23)})
    assert sorted(len(fold.test) for fold in nested_folds(study_with(5, 2), cohort)) == [4, 4, 5, 5, 5]


def test_a_split_is_one_of_the_nested_folds() -> None:
    cohort = cohort_of({f"p{number}": ["0", "1"] for number in range(12)})
    study = study_with(3, 2)
    for index, fold in enumerate(nested_folds(study, cohort)):
        assert split_cohort(study, cohort, index) == fold.inner[0]


def test_the_folds_of_a_cohort_never_change_between_releases() -> None:
    cohort = cohort_of({f"p{number}": ["0"] for number in range(10)})
    tests = [subjects_of(fold.test) for fold in nested_folds(study_with(5, 2), cohort)]
    assert tests == [["p6-0", "p8-0"], ["p3-0", "p9-0"], ["p0-0", "p2-0"], ["p4-0", "p5-0"], ["p1-0", "p7-0"]]


@pytest.mark.parametrize("fold", [-1, 5, 6])
def test_a_fold_that_does_not_exist_is_told(fold: int) -> None:
    cohort = cohort_of({f"p{number}": ["0"] for number in range(20)})
    with pytest.raises(InputError, match=rf"there is no fold {fold} \(got {fold}; expected 0 to 4\)"):
        split_cohort(study_with(5, 2), cohort, fold)


@pytest.mark.parametrize(
    ("patients", "outer", "inner", "words"),
    [
        (4, 5, 2, "too few patients for 5 outer folds .got 4 patients; expected at least 5"),
        (5, 5, 5, "too few patients for 5 inner folds .got 4 patients outside the test set; expected at least 5"),
        (2, 3, 2, "too few patients for 3 outer folds .got 2 patients"),
    ],
)
def test_too_few_patients_are_told_with_what_to_do(patients: int, outer: int, inner: int, words: str) -> None:
    cohort = cohort_of({f"p{number}": ["0", "0"] for number in range(patients)})
    study = study_with(outer, inner)
    for look in (nested_folds, split_cohort):
        with pytest.raises(InputError, match=words) as caught:
            look(study, cohort)
        assert "or state the sets in a Split column" in caught.value.problems[0].remedy


def test_classes_that_are_all_rarer_than_the_folds_are_told() -> None:
    cohort = cohort_of({f"p{number}": [str(number % 2)] for number in range(6)})
    with pytest.raises(InputError, match="every class has too few cases for 5 outer folds"):
        nested_folds(study_with(5, 2), cohort)


STATED = {"a": "train", "b": "train", "c": "train", "d": "validation", "e": "test"}


def test_sets_that_the_manifest_states_are_taken() -> None:
    cohort = cohort_of({name: ["0", "1"] for name in STATED}, STATED)
    study = study_with(5, 5)
    split = split_cohort(study, cohort)
    assert [patients_of(cases) for cases in (split.train, split.validation, split.test)] == [{*"abc"}, {"d"}, {"e"}]
    (fold,) = nested_folds(study, cohort)
    assert fold.inner == (split,)


def test_without_a_stated_validation_set_the_training_set_is_folded() -> None:
    cohort = cohort_of({name: ["0"] for name in "abcdef"}, {**dict.fromkeys("abcde", "train"), "f": "test"})
    study = study_with(5, 4)
    (fold,) = nested_folds(study, cohort)
    assert len(fold.inner) == 4
    for split in fold.inner:
        assert patients_of(split.test) == {"f"}
        assert_disjoint_and_complete(split, cohort)
    with pytest.raises(InputError, match="too few patients for 6 inner folds"):
        split_cohort(study_with(5, 6), cohort)


def test_stated_sets_without_training_and_other_folds_are_refused() -> None:
    cohort = cohort_of({"a": ["0"], "b": ["0"]}, {"a": "test", "b": "validation"})
    for look in (split_cohort, nested_folds):
        with pytest.raises(InputError, match="the training set is empty"):
            look(study_with(2, 2), cohort)
    stated = cohort_of({name: ["0"] for name in STATED}, STATED)
    with pytest.raises(InputError, match=r"there is no fold 1 .*The manifest's Split column fixes"):
        split_cohort(study_with(2, 2), stated, 1)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["p1"] * 12, "All 12 rows have the PatientID 'p1': write each patient's own"),
        (["p1"], "Add cases of other patients"),
        (["p1", "p2"], "Add cases of other patients"),
        (
            ["p1", "p2", "p3"],
            "In the study's `validation` write `outer_folds: 3` and `inner_folds: 2`, which 3",
        ),
    ],
    ids=["one for all", "one", "two", "three"],
)
def test_too_few_patients_are_answered_by_how_many_there_are(names: list[str], told: str) -> None:
    cases = [Case(f"s{number}", name, (Path("a"),), None, "0", None, number + 2) for number, name in enumerate(names)]
    with pytest.raises(InputError) as caught:
        nested_folds(study_with(5, 5), Cohort(Path("data.csv"), tuple(cases)))
    assert caught.value.problems[0].remedy.startswith(told)


@pytest.mark.parametrize("patients", range(3, 9))
@pytest.mark.parametrize("classes", [1, 2])
def test_the_folds_that_are_offered_can_be_made(patients: int, classes: int) -> None:
    cohort = cohort_of({f"p{number}": [str(number % classes)] for number in range(patients)})
    for outer, inner in itertools.product(range(2, 11), repeat=2):
        with contextlib.suppress(InputError):
            nested_folds(study_with(outer, inner), cohort)
            continue
        with pytest.raises(InputError) as caught:
            nested_folds(study_with(outer, inner), cohort)
        offered = re.findall(r"(?:outer|inner)_folds: (\d+)", caught.value.problems[0].remedy)
        assert len(offered) in (0, 2)
        if offered:
            nested_folds(study_with(*map(int, offered)), cohort)
        else:
            assert patients // classes < 3


def test_inner_folds_that_are_offered_for_stated_sets_can_be_made() -> None:
    stated = {**dict.fromkeys("abc", "train"), "d": "test"}
    cohort = cohort_of({name: ["0"] for name in "abcd"}, stated)
    with pytest.raises(InputError) as caught:
        split_cohort(study_with(5, 5), cohort)
    assert "write `inner_folds: 3`, which 3 patients allow" in caught.value.problems[0].remedy
    split_cohort(study_with(5, 3), cohort)


@pytest.mark.parametrize(("outer", "inner", "least"), [(2, 2, 4), (3, 3, 5), (5, 5, 7), (2, 10, 20), (10, 2, 10)])
def test_the_least_number_of_patients_is_one_with_which_folds_can_be_made(outer: int, inner: int, least: int) -> None:
    assert least_patients(outer, inner) == least
    names = [f"p{number}" for number in range(least)]
    nested_folds(study_with(outer, inner), cohort_of({name: ["0"] for name in names}))
    with pytest.raises(InputError) as caught:
        nested_folds(study_with(outer, inner), cohort_of({name: ["0"] for name in names[1:]}))
    (problem,) = caught.value.problems
    assert isinstance(problem, TooFew)
    assert (problem.for_plan.what, problem.for_plan.expected) == (
        f"{least - 1} patients are too few for this plan",
        f"at least {least}",
    )
