"""Tables with their sets written into them."""

from __future__ import annotations

import csv
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import run_wardround
from tests.support.manifests import write_csv
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.cohort.dividing import Shares, divide, read_divisible, strata_of_cells
from wardround.engine.cohort.stratify import balanced_sets

HEAD = "SubjectID,PatientID,Channel_0,ValueToPredict,remark"


def _rows(patients: int, seed: int = 0) -> list[str]:
    """Two rows for every other patient; a third of them ill."""
    choose = random.Random(seed)
    rows = []
    for patient in range(patients):
        for visit in range(1 + patient % 2):
            ill = int(patient % 3 == 0)
            rows.append(f's{patient}-{visit},p{patient},img/{patient}-{visit}.nii,{ill},"a, {choose.random():.3f}"')
    return rows


def _table(folder: Path, rows: list[str]) -> Path:
    return write_csv(folder / "data.csv", HEAD, *rows)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_sets_have_their_sizes_and_no_patient_in_common(tmp_path: Path) -> None:
    found = read_divisible(_table(tmp_path, _rows(60)), None)
    (sets,) = divide(found, Shares(test=0.2, validation=0.1))
    places = defaultdict(set)
    for patient, word in zip(found.patients, sets, strict=True):
        places[patient].add(word)
    assert all(len(each) == 1 for each in places.values())
    counted = Counter(sets)
    assert counted["test"] == pytest.approx(0.2 * len(sets), abs=2)
    assert counted["validation"] == pytest.approx(0.1 * len(sets), abs=2)
    ill = Counter(word for word, value in zip(sets, found.strata, strict=True) if value == "1")
    assert ill["test"] == pytest.approx(0.2 * sum(ill.values()), abs=2)


def test_the_order_of_rows_plays_no_part_and_the_seed_does(tmp_path: Path) -> None:
    rows = _rows(30)
    one = read_divisible(_table(tmp_path / "a", rows), None)
    other = read_divisible(_table(tmp_path / "b", rows[::-1]), None)
    (first,), (second,) = divide(one, Shares()), divide(other, Shares())
    assert dict(zip(one.patients, first, strict=True)) == dict(zip(other.patients, second, strict=True))
    assert divide(one, Shares(seed=7)) != divide(one, Shares())


def test_every_patient_is_tested_with_once_in_folds(tmp_path: Path) -> None:
    found = read_divisible(_table(tmp_path, _rows(31)), None)
    folds = divide(found, Shares(folds=4))
    tested = Counter(row for sets in folds for row, word in enumerate(sets) if word == "test")
    assert set(tested.values()) == {1}
    assert len(tested) == len(found.patients)
    assert all({*sets} == {"train", "validation", "test"} for sets in folds)


def test_sizes_are_kept_whatever_the_groups() -> None:
    for seed in range(20):
        choose = np.random.default_rng(seed)
        counts = choose.integers(0, 4, (80, 3)).astype(float) + np.eye(3)[choose.integers(0, 3, 80)]
        found = balanced_sets(counts, [0.7, 0.2, 0.1])
        shares = [counts[found == place].sum() / counts.sum() for place in range(3)]
        assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.03), seed


def test_numbers_count_by_their_quarter_and_words_as_they_are() -> None:
    assert Counter(strata_of_cells([str(age) for age in range(40)])) == dict.fromkeys("0123", 10)
    assert strata_of_cells(["1", "2", "1"]) == ("1", "2", "1")
    assert strata_of_cells(["f", "m"]) == ("f", "m")
    many = [f"{number}" for number in range(11)] + ["nan"]
    assert strata_of_cells(many) == tuple(many)


def test_the_command_writes_a_table_that_reads_as_before(tmp_path: Path) -> None:
    table = _table(tmp_path, _rows(20))
    done = run_wardround("split", table, "--out", tmp_path / "sub" / "split.csv")
    assert done.code == 0, done.err
    before, after = _read(table), _read(tmp_path / "sub" / "split.csv")
    for one, other in zip(before, after, strict=True):
        assert (tmp_path / "sub" / other["Channel_0"]).resolve() == (tmp_path / one["Channel_0"]).resolve()
        assert {key: other[key] for key in ("SubjectID", "remark")} == {
            key: one[key] for key in ("SubjectID", "remark")
        }
    assert {row["Split"] for row in after} == {"train", "validation", "test"}
    again = run_wardround("split", table, "--out", tmp_path / "sub" / "split.csv", "--seed", 3)
    assert again.code == 2
    assert "Nothing was replaced" in again.err
    assert _read(tmp_path / "sub" / "split.csv") == after


def test_a_study_takes_the_sets_of_the_table(tmp_path: Path) -> None:
    from tests.support.studies import CLASSIFICATION, study_of
    from wardround.engine.cohort import split_cohort

    rows = _rows(12)
    for row in rows:
        image = tmp_path / row.split(",")[2]
        image.parent.mkdir(exist_ok=True)
        image.write_bytes(b"")
    run_wardround("split", _table(tmp_path, rows), "--out", tmp_path / "split.csv")
    study = study_of(CLASSIFICATION)
    cohort = read_manifest(tmp_path / "split.csv", study, truth=Truth.REQUIRED)
    made = split_cohort(study, cohort)
    stated = Counter(row["Split"] for row in _read(tmp_path / "split.csv"))
    assert (len(made.train), len(made.validation), len(made.test)) == tuple(
        stated[name] for name in ("train", "validation", "test")
    )


def test_folds_are_a_table_each(tmp_path: Path) -> None:
    done = run_wardround("split", _table(tmp_path, _rows(20)), "--out", tmp_path / "folds", "--folds", 3, "--json")
    assert done.code == 0, done.err
    assert [Path(each["file"]).name for each in done.json["files"]] == ["fold-0.csv", "fold-1.csv", "fold-2.csv"]


@pytest.mark.parametrize(
    ("lines", "words", "told"),
    [
        ([HEAD.replace("SubjectID", "Subject"), "a,p,x.nii,1,r"], [], "SubjectID"),
        ([HEAD, "a,p,x.nii,1,r", "b,,y.nii,0,r"], [], "PatientID: the cell is empty"),
        ([HEAD, "a,p,x.nii,,r"], [], "ValueToPredict: the cell is empty"),
        ([HEAD], [], "no rows"),
        ([HEAD + ",Split", "a,p,x.nii,1,r,train"], [], "says already who is in which set"),
        ([HEAD, "a,p,x.nii,1,r"], ["--by", "remrk"], "Did you mean 'remark'?"),
        ([HEAD, "a,p,x.nii,1,r"], ["--test", "1.5"], "no share of a table"),
        ([HEAD, "a,p,x.nii,1,r"], ["--test", "nan"], "no share of a table"),
        ([HEAD, "a,p,x.nii,1,r"], ["--test", "0.5", "--validation", "0.5"], "nothing is left to learn from"),
        ([HEAD, "a,p,x.nii,1,r", "b,q,y.nii,0,r"], [], "too few patients"),
        ([HEAD, "a,p,x.nii,1,r"], ["--folds", "1"], "--folds"),
        ([HEAD, "a,p,x.nii,1,r"], ["--folds", "3", "--test", "0.1"], "Leave --test out"),
    ],
)
def test_what_cannot_be_divided_is_told_and_nothing_written(
    tmp_path: Path, lines: list[str], words: list[str], told: str
) -> None:
    done = run_wardround("split", write_csv(tmp_path / "data.csv", *lines), "--out", tmp_path / "out.csv", *words)
    assert done.code == 2
    assert told in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


def test_all_that_is_wrong_with_a_table_is_told_at_once(tmp_path: Path) -> None:
    table = write_csv(tmp_path / "data.csv", HEAD + ",Split", "a,,x.nii,1,r,test", "b,q,y.nii,,r,")
    with pytest.raises(InputError) as told:
        read_divisible(table, None)
    assert len(told.value.problems) == 3


def test_rows_without_patients_are_told(tmp_path: Path) -> None:
    rows = [f"s{number},x{number}.nii" for number in range(9)]
    done = run_wardround(
        "split", write_csv(tmp_path / "d.csv", "SubjectID,Channel_0", *rows), "--out", tmp_path / "o.csv"
    )
    assert done.code == 0
    assert "each row counts as a patient" in done.err
