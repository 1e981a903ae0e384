"""Cells of the columns that a network is given, from a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.images import write_table
from tests.support.studies import TABLE, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, case_digest, read_manifest
from wardround.engine.cohort.given import MISSING, described
from wardround.engine.study import Study


def _study(**columns: Any) -> Study:
    return study_of(changed(TABLE, columns=columns))


def _table(folder: Path, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    cells = [(f"case-{place}", place % 2, *row) for place, row in enumerate(rows)]
    return write_table(folder / "data.csv", ("SubjectID", "ValueToPredict", *columns), cells)


def _read(table: Path, study: Study) -> list[tuple[float | None, ...]]:
    return [case.columns for case in read_manifest(table, study, truth=Truth.REQUIRED).cases]


def test_numbers_levels_and_missing_cells(tmp_path: Path) -> None:
    study = _study(chol={"missing": "mean"}, sex=["f", "m"], thal={"levels": [3, 6], "missing": "unknown"})
    table = _table(tmp_path, ("sex", "thal", "chol"), [("m", "3.0", "201.5"), ("f", "?", ""), ("f", "NA", "nan")])
    assert _read(table, study) == [(201.5, 1, 0), (None, 0, None), (None, 0, None)]
    assert {"", "?", "na", "nan"} <= MISSING


def test_everything_wrong_is_told_at_once_by_row_and_column(tmp_path: Path) -> None:
    study = _study(age="number", sex=["female", "male"])
    rows = [("5,5", "male"), ("?", "femal"), ("60 y", ""), ("1e99", "2")]
    with pytest.raises(InputError) as caught:
        _read(_table(tmp_path, ("age", "sex"), rows), study)
    told = {problem.where.removeprefix("data.csv:"): problem for problem in caught.value.problems}
    assert len(told) == 7
    assert "Write 5.5" in told["2, subject 'case-0', age"].remedy
    assert "missing: mean" in told["3, subject 'case-1', age"].remedy
    assert "Did you mean 'female'?" in told["3, subject 'case-1', sex"].remedy
    assert "a unit" in told["4, subject 'case-2', age"].what
    assert "missing: unknown" in told["4, subject 'case-2', sex"].remedy
    assert "too large" in told["5, subject 'case-3', age"].what
    assert told["5, subject 'case-3', sex"].expected == "female, male"


def test_a_missing_column_is_told_also_to_those_who_predict(tmp_path: Path) -> None:
    table = _table(tmp_path, ("Agee", "sex"), [("5", "f")])
    with pytest.raises(InputError) as caught:
        read_manifest(table, _study(age="number"), truth=Truth.UNREAD)
    assert any("rename that column to age" in problem.remedy for problem in caught.value.problems)


def test_a_level_that_is_called_like_a_missing_value_is_a_level(tmp_path: Path) -> None:
    table = _table(tmp_path, ("stage",), [("none",), ("one",)])
    assert _read(table, _study(stage=["none", "one"])) == [(0,), (1,)]


def test_columns_name_a_case_and_others_do_not(tmp_path: Path) -> None:
    study = _study(age="number")
    table = _table(tmp_path, ("age", "note"), [("5", "a"), ("6", "b"), ("5", "c")])
    first, second, third = read_manifest(table, study, truth=Truth.UNREAD).cases
    assert case_digest(first) == case_digest(third)
    assert case_digest(first) != case_digest(second)


def test_check_says_what_stands_in_each(tmp_path: Path) -> None:
    study = _study(age={"missing": 50}, sex=["f", "m"])
    cases = read_manifest(_table(tmp_path, ("age", "sex"), [("5", "f"), ("", "f")]), study, truth=Truth.UNREAD).cases
    assert described(study.columns, cases) == "age 5 to 5, 1 missing; sex (f 2, m 0)"
