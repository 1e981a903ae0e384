"""Numbers: how cells are read, what is wrong with them, and how folds share them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.images import write_table
from tests.support.studies import CLASSIFICATION, REGRESSION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, nested_folds, read_manifest
from wardround.engine.cohort.columns import Layout
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.study import Study, study_from_bytes, study_to_bytes
from wardround.engine.targets import Told
from wardround.engine.targets.cells import LARGEST
from wardround.engine.targets.numbers import NUMBERS


def _study(**changes: Any) -> Study:
    return study_of(changed(REGRESSION, **changes))


def _table(folder: Path, cells: list[str], column: str = "ValueToPredict") -> Path:
    (folder / "a.png").write_bytes(b"")
    rows = [(f"case-{place}", "a.png", cell) for place, cell in enumerate(cells)]
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", column), rows)


@given(st.floats(-LARGEST, LARGEST))
def test_a_number_is_kept_exactly(number: float) -> None:
    study = _study()
    value = NUMBERS.value(study, {"ValueToPredict": repr(number)})
    assert NUMBERS.told(study, value) == Told(numbers=(number,))


def test_spellings_of_a_number_are_one_value() -> None:
    study = _study()
    spelt = ("43", "43.0", "+43", "4.3e1", " 43 ", "43.")
    assert {NUMBERS.value(study, {"ValueToPredict": cell}) for cell in spelt} == {"43.0"}
    assert NUMBERS.value(study, {"ValueToPredict": "-0.0"}) == NUMBERS.value(study, {"ValueToPredict": "0"})


@pytest.mark.parametrize(
    ("cell", "what", "remedy"),
    [
        ("43,5", "written with a comma", "Write 43.5"),
        ("43 y", "a unit", "Write 43 alone"),
        ("43,5 mm", "a unit", "Write 43.5 alone"),
        ("43mm2", "a unit", "Write 43 alone"),
        ("43 %", "a unit", "Write 43 alone"),
        ("0x10", "is no number", "Write the number"),
        ("1e3e4", "is no number", "Write the number"),
        ("nan", "no number", "leave the row out"),
        ("inf", "no number", "leave the row out"),
        ("old", "no number", "leave the row out"),
        ("1_000", "no number", "leave the row out"),
        ("1e400", "too large", "larger unit"),
        ("2e9", "too large", "larger unit"),
    ],
)
def test_what_is_no_number_is_told_with_its_row(tmp_path: Path, cell: str, what: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        read_manifest(_table(tmp_path, ["1", cell, "3"]), _study(), truth=Truth.REQUIRED)
    (problem,) = caught.value.problems
    assert problem.where == "data.csv:3, subject 'case-1', ValueToPredict"
    assert what in problem.what
    assert problem.got == repr(cell)
    assert remedy in problem.remedy


def test_empty_cells_and_missing_columns_are_told_and_free_where_no_truth_is_needed(tmp_path: Path) -> None:
    path = _table(tmp_path, ["1", "", "3"])
    with pytest.raises(InputError, match="the cell is empty"):
        read_manifest(path, _study(), truth=Truth.REQUIRED)
    cohort = read_manifest(path, _study(), truth=Truth.OPTIONAL)
    assert [case.value for case in cohort.cases] == ["1.0", None, "3.0"]
    with pytest.raises(InputError, match="'ValueToPredict_age' is missing"):
        read_manifest(path, _study(targets=["age"]), truth=Truth.REQUIRED)


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        (["ValueToPredict_age"], "the column 'ValueToPredict_weight' is missing"),
        (["ValueToPredict_age", "ValueToPredict_weight", "ValueToPredict_age"], "'ValueToPredict_age'"),
    ],
    ids=["missing", "repeated"],
)
@pytest.mark.parametrize("truth", [Truth.REQUIRED, Truth.OPTIONAL])
def test_a_missing_or_repeated_column_of_several_is_told_of_the_header_alone(
    tmp_path: Path, columns: list[str], what: str, truth: Truth
) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    rows = [(f"case-{number}", "a.png", *["43"] * len(columns)) for number in range(3)]
    path = write_table(tmp_path / "data.csv", ("SubjectID", "Channel_0", *columns), rows)
    survey = survey_manifest(path, Layout.of(_study(targets=["age", "weight"]), truth))
    if truth is Truth.OPTIONAL and len(columns) == 1:
        assert survey.problems == ()
        assert [case.value for case in survey.cohort.cases] == [None] * 3
        return
    (problem,) = survey.problems
    assert what in problem.what
    assert problem.where in ("data.csv, header", "data.csv:1")


def test_several_numbers_have_a_column_each_in_the_studys_order(tmp_path: Path) -> None:
    study = _study(targets=["weight", "age"])
    path = tmp_path / "data.csv"
    (tmp_path / "a.png").write_bytes(b"")
    columns = ("SubjectID", "Channel_0", "ValueToPredict_age", "ValueToPredict_weight")
    write_table(path, columns, [("a", "a.png", "43", "71.5")])
    (case,) = read_manifest(path, study, truth=Truth.REQUIRED).cases
    told = NUMBERS.told(study, case.value)
    assert told.numbers == (71.5, 43.0)
    assert NUMBERS.spoken(study, told) == "weight 71.5, age 43"
    assert NUMBERS.described(study, Counter([case.value])) == "weight 71.5 to 71.5, mean 71.5; age 43 to 43, mean 43"
    assert NUMBERS.header(study) == ("Prediction_weight", "Prediction_age")


def test_equal_numbers_in_all_rows_are_a_flaw_of_the_table() -> None:
    (flaw,) = NUMBERS.table_flaws(_study(), ["4.0", "4.0", "4.0"])
    assert flaw.got == "4 in all 3 rows"
    assert not [*NUMBERS.table_flaws(_study(), ["4.0", "4.0", "5.0"])]


@given(st.lists(st.integers(0, 60), min_size=8, max_size=60))
def test_equal_numbers_lie_in_one_stratum_and_strata_rise_with_them(numbers: list[int]) -> None:
    strata = NUMBERS.strata([repr(float(number)) for number in numbers])
    pairs = sorted(zip(numbers, map(int, strata), strict=True))
    assert [stratum for _, stratum in pairs] == sorted(stratum for _, stratum in pairs)
    assert len({*zip(numbers, strata, strict=True)}) == len(set(numbers))


def test_each_fold_has_small_and_large_numbers(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).permutation(40)
    cohort = read_manifest(_table(tmp_path, [str(each) for each in numbers]), _study(), truth=Truth.REQUIRED)
    for fold in nested_folds(_study(), cohort):
        quarters = Counter(int(float(case.value or 0)) // 10 for case in fold.test)
        assert {*quarters} == {0, 1, 2, 3}


def test_a_study_without_classes_goes_round_and_names_nothing_that_it_has_not() -> None:
    study = _study()
    assert study_from_bytes(study_to_bytes(study)) == study
    assert (study.class_names, study.outputs) == ((), ("value",))
    assert b"targets" not in study_to_bytes(study)
    for changes in ({"classes": {"a": 0}}, {"rest": "background"}, {"targets": ["age", "age"]}):
        with pytest.raises(ValidationError):
            _study(**changes)
    with pytest.raises(ValidationError, match="classes and no targets"):
        study_of(changed(CLASSIFICATION, targets=["age"]))


def test_a_written_prediction_is_read_back() -> None:
    study, vector = _study(), np.array([1234.5678], np.float32)
    cells = [str(cell) for cell in NUMBERS.row(study, vector)]
    np.testing.assert_array_equal(NUMBERS.vector(study, cells), vector)
    assert NUMBERS.verdict(study, vector, Told(numbers=(1200.0,))) == "truth 1200, prediction 1235"


@pytest.mark.parametrize("cell", ["2e+08", "-3.5e12"])
def test_a_prediction_may_lie_beyond_what_can_be_learned(cell: str) -> None:
    assert NUMBERS.vector(_study(), [cell]) == pytest.approx([float(cell)])


@pytest.mark.parametrize("cell", ["", "nan", "inf", "-inf", "1e999", "high", "43,5"])
def test_a_prediction_that_is_no_number_is_told_as_one(cell: str) -> None:
    with pytest.raises(InputError) as caught:
        NUMBERS.vector(_study(), [cell])
    (problem,) = caught.value.problems
    assert problem.what == "the prediction in Prediction is no number"
    assert problem.got == (repr(cell) if cell else "nothing")
    assert problem.remedy == ("Write 43.5" if cell == "43,5" else "Predict the case again, or leave it out")


@pytest.mark.parametrize("cells", [["n/a", "43", ""], ["3", "2e9", "43 y"]])
def test_a_prediction_reads_no_number_of_its_table(tmp_path: Path, cells: list[str]) -> None:
    path, study = _table(tmp_path, cells, "ValueToPredict_age"), _study(targets=["age"])
    with pytest.raises(InputError):
        read_manifest(path, study, truth=Truth.REQUIRED)
    assert [case.value for case in read_manifest(path, study, truth=Truth.UNREAD).cases] == [None] * 3


def test_a_target_whose_column_would_lose_its_blank_is_refused() -> None:
    with pytest.raises(ValidationError, match="ends with a blank"):
        _study(targets=["age", "x "])


def test_the_way_out_of_equal_numbers_names_only_what_the_study_has() -> None:
    values = ["4.0", "4.0", "4.0"]
    (alone,) = NUMBERS.table_flaws(_study(), values)
    assert alone.remedy == "Name the column that has the numbers ValueToPredict"
    (named,) = NUMBERS.table_flaws(_study(targets=["age"]), values)
    assert "`targets`" in named.remedy
