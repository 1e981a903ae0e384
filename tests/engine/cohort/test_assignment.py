"""A table that changes: nobody who was placed ever changes sets, newcomers join one by one, order plays no part."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.engine.cohort.test_folds import study_with
from tests.support.manifests import cohort_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Assignment, Case, Cohort, Folds, Split, plan_splits, split_cohort
from wardround.engine.cohort.assignment import read_assignment, write_assignment
from wardround.engine.cohort.twins import Content

TABLES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.lists(st.sampled_from("01"), min_size=1, max_size=3), min_size=1
)
SETS = {"a": "train", "b": "train", "c": "train", "d": "validation", "e": "test"}


def sets_of(splits: dict[str, Split]) -> dict[tuple[str, str], str]:
    """The set of each patient by the name of the split."""
    return {
        (name, case.patient): subset
        for name, split in splits.items()
        for subset, cases in split.sets.items()
        for case in cases
    }


def planned(cohort: Cohort, known: Assignment | None, folds: Folds | int = Folds.NESTED) -> tuple[dict, Assignment]:  # type: ignore[type-arg]
    plan = plan_splits(study_with(3, 2), cohort, folds, known)
    return sets_of({named.name: named.split for named in plan.splits}), plan.assignment


def first_cohort(patients: int = 12) -> Cohort:
    return cohort_of({f"p{number}": [str(number % 2)] for number in range(patients)})


def with_cases(cohort: Cohort, *cases: Case) -> Cohort:
    return Cohort(cohort.manifest, (*cohort.cases, *cases))


def row(subject: str, patient: str, value: str = "0", split: str | None = None) -> Case:
    return Case(subject, patient, (Path(f"/{subject}.nii"),), None, value, split, 0)


@settings(deadline=None, max_examples=60)
@given(st.lists(TABLES, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_whoever_was_placed_keeps_the_set_whatever_the_table_becomes(
    tables: list[dict[str, list[str]]], shuffler: random.Random
) -> None:
    kept = {f"q{number}": ["0", "1"][: 1 + number % 2] for number in range(9)}
    seen, record = planned(cohort_of(kept), None)
    for table in tables:
        gone = set(shuffler.sample(sorted(kept), 3))
        cases = list(cohort_of({**table, **{name: rows for name, rows in kept.items() if name not in gone}}).cases)
        try:
            now, grown = planned(Cohort(Path("x.csv"), tuple(cases)), record)
        except InputError:
            continue  # everybody of a set has gone, as another test shows
        assert all(now[key] == seen[key] for key in now.keys() & seen.keys())
        shuffler.shuffle(cases)
        assert planned(Cohort(Path("x.csv"), tuple(cases)), record) == (now, grown)
        seen, record = seen | now, grown


@settings(deadline=None, max_examples=40)
@given(TABLES, st.integers(0, 2**40))
def test_a_fresh_split_is_what_it_is_without_a_record(table: dict[str, list[str]], seed: int) -> None:
    cohort, study = cohort_of(table), study_with(3, 2, seed)
    try:
        fresh = split_cohort(study, cohort)
    except InputError:
        assume(False)
    plan = plan_splits(study, cohort, 0)
    assert plan.splits[0].split == fresh
    again = plan_splits(study, cohort, 0, plan.assignment)
    assert (again.splits[0].split, again.assignment) == (fresh, plan.assignment)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from("012"), min_size=12, max_size=60), st.integers(0, 2**40))
def test_a_fresh_split_of_single_cases_is_within_one_of_balance_in_each_class(values: list[str], seed: int) -> None:
    assume(max(Counter(values).values()) >= 4)
    cohort = cohort_of({f"p{number}": [value] for number, value in enumerate(values)})
    tests = [split_cohort(study_with(4, 2, seed), cohort, fold).test for fold in range(4)]
    for value in set(values):
        counts = [sum(case.value == value for case in cases) for cases in tests]
        assert max(counts) - min(counts) <= 1


def test_newcomers_keep_the_folds_and_the_classes_in_balance() -> None:
    _, record = planned(first_cohort(12), None)
    grown = first_cohort(60)
    plan = plan_splits(study_with(3, 2), grown, Folds.ALL, record)
    assert [Counter(case.value for case in named.split.test) for named in plan.splits] == [{"0": 10, "1": 10}] * 3


def test_patients_that_have_gone_free_nothing_up() -> None:
    cohort = first_cohort(12)
    first, record = planned(cohort, None, 0)
    tested = {patient for (_, patient), subset in first.items() if subset == "test"}
    left = [case for case in cohort.cases if case.patient not in sorted(tested)[1:]]
    newcomer = row("new-0", "new")
    now, _ = planned(Cohort(cohort.manifest, (*left, newcomer)), record, 0)
    with_all, _ = planned(with_cases(cohort, newcomer), record, 0)
    assert now["fold-0", "new"] == with_all["fold-0", "new"]


def test_a_set_whose_patients_have_all_gone_is_told() -> None:
    cohort = first_cohort(12)
    first, record = planned(cohort, None, 0)
    left = [case for case in cohort.cases if first["fold-0", case.patient] != "validation"]
    with pytest.raises(InputError, match="no case of the validation set is left in the table"):
        planned(Cohort(cohort.manifest, tuple(left)), record, 0)


def test_folds_that_are_made_later_respect_those_that_were_made_before() -> None:
    cohort = first_cohort(12)
    _, record = planned(cohort, None, 0)
    later, _ = planned(first_cohort(20), record, Folds.ALL)
    assert [patient for (_, patient), subset in sorted(later.items()) if subset == "test"].__len__() == 20
    assert planned(cohort, record, Folds.ALL)[0] == planned(cohort, None, Folds.ALL)[0]


def test_a_patient_under_another_name_stays_where_its_rows_were() -> None:
    cohort = first_cohort(12)
    first, record = planned(cohort, None, 0)
    renamed = Cohort(
        cohort.manifest, tuple(row(case.subject, f"P-{case.patient}", case.value or "") for case in cohort.cases)
    )
    now, _ = planned(renamed, record, 0)
    assert {(name, patient.removeprefix("P-")): subset for (name, patient), subset in now.items()} == first


def test_rows_of_two_sets_cannot_become_one_patient() -> None:
    cohort = first_cohort(12)
    first, record = planned(cohort, None, 0)
    one, other = (next(p for (_, p), subset in first.items() if subset == name) for name in ("training", "test"))
    joined = [
        row(case.subject, one if case.patient == other else case.patient, case.value or "") for case in cohort.cases
    ]
    with pytest.raises(InputError, match=rf"subject '{other}-0', PatientID: this row was in another set"):
        planned(Cohort(cohort.manifest, tuple(joined)), record, 0)


def test_a_stated_set_may_not_be_changed_and_the_column_neither_come_nor_go() -> None:
    cohort = cohort_of({name: ["0", "1"] for name in SETS}, SETS)
    _, record = planned(cohort, None, 0)
    moved = cohort_of({name: ["0", "1"] for name in SETS}, {**SETS, "a": "test"})
    with pytest.raises(InputError, match=r"the patient 'a' was a train case .*got test; expected train"):
        planned(moved, record, 0)
    with pytest.raises(InputError, match="this work began with a Split column, and the table has none now"):
        planned(first_cohort(), record, 0)
    with pytest.raises(InputError, match="this work began with no Split column"):
        planned(cohort, planned(first_cohort(), None)[1], 0)
    grown = cohort_of({name: ["0"] for name in [*SETS, "f"]}, {**SETS, "f": "test"})
    assert planned(grown, record, 0)[0]["fold-0", "f"] == "test"


def test_an_image_cannot_come_back_in_another_set() -> None:
    cohort = first_cohort(12)
    first, record = planned(cohort, None, 0)
    contents = {case.subject: Content(case.subject, "") for case in cohort.cases}
    record = record.with_images(cohort, contents)
    trained, tested = (next(p for (_, p), subset in first.items() if subset == name) for name in ("training", "test"))
    swapped = with_cases(cohort, row("new-0", tested))
    _, grown = planned(swapped, record, 0)
    with pytest.raises(InputError, match=r"subject 'new-0': the image of this row was in another set"):
        grown.with_images(swapped, {**contents, "new-0": Content(f"{trained}-0", "")})
    assert grown.with_images(swapped, {**contents, "new-0": Content(f"{tested}-0", "")}).images == record.images


def test_a_record_of_other_folds_is_refused() -> None:
    _, record = planned(first_cohort(), None, 0)
    with pytest.raises(InputError, match=r"another seed .*\n.*another outer_folds .*got 4; expected 3"):
        plan_splits(study_with(4, 2, 7), first_cohort(), 0, record)


def test_a_record_is_kept_without_names_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    _, record = planned(cohort_of({f"Anna{number}": ["0"] for number in range(9)}), None)
    path = tmp_path / "run" / "sets.json"
    assert read_assignment(path) is None
    write_assignment(path, record)
    assert read_assignment(path) == record
    assert "Anna" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    written = path.read_bytes()
    digit = written.index(b'"patients"') + 20
    for damaged in (written[:-9], written[:digit] + bytes([written[digit] ^ 1]) + written[digit + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="who is in which set is damaged"):
            read_assignment(path)
