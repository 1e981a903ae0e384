"""Labels: how cells are read, what is unknown, and how folds share combinations."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.images import write_table
from tests.support.studies import MULTILABEL, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Truth, nested_folds, read_manifest
from wardround.engine.inspection.notices import cohort_notices
from wardround.engine.study import Study
from wardround.engine.targets import Told
from wardround.engine.targets.labels import LABELS, UNKNOWN

COLUMNS = ("ValueToPredict_effusion", "ValueToPredict_nodule")


def _study(**changes: Any) -> Study:
    return study_of(changed(MULTILABEL, **changes))


def _table(folder: Path, rows: list[tuple[str, str]], columns: tuple[str, ...] = COLUMNS) -> Path:
    (folder / "a.png").write_bytes(b"")
    cells = [(f"case-{place:02d}", "a.png", *row) for place, row in enumerate(rows)]
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", *columns), cells)


def test_cells_are_one_zero_or_unknown(tmp_path: Path) -> None:
    table = _table(tmp_path, [("1", "0"), ("1.0", ""), ("", "0.0")])
    cases = read_manifest(table, _study(), truth=Truth.REQUIRED).cases
    assert [case.value for case in cases] == ["1;0", "1;?", "?;0"]
    assert LABELS.told(_study(), "?;1") == Told(numbers=(UNKNOWN, 1.0))


@pytest.mark.parametrize(
    ("cell", "remedy"),
    [
        ("yes", "Write 1"),
        ("Negative", "Write 0"),
        ("?", "Leave the cell empty"),
        ("-1", "Leave"),
        ("2", "Write 1 where"),
    ],
)
def test_words_and_other_numbers_are_told_with_what_to_write(tmp_path: Path, cell: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        read_manifest(_table(tmp_path, [("1", "0"), ("0", cell), (cell, "0")]), _study(), truth=Truth.REQUIRED)
    first, second = caught.value.problems
    assert first.where == "data.csv:3, subject 'case-01', ValueToPredict_nodule"
    assert second.where == "data.csv:4, subject 'case-02', ValueToPredict_effusion"
    assert (first.got, first.expected) == (repr(cell), "0, 1 or nothing")
    assert first.remedy.startswith(remedy)


def test_a_row_of_which_nothing_is_known_is_told_unless_no_truth_is_needed(tmp_path: Path) -> None:
    table = _table(tmp_path, [("1", "0"), ("", "")])
    with pytest.raises(InputError, match="no label of the row is known"):
        read_manifest(table, _study(), truth=Truth.REQUIRED)
    assert [case.value for case in read_manifest(table, _study(), truth=Truth.OPTIONAL).cases] == ["1;0", None]


def test_a_missing_column_is_told_with_the_one_that_is_meant(tmp_path: Path) -> None:
    table = _table(tmp_path, [("1", "0")], ("ValueToPredict_effusion", "Nodule"))
    with pytest.raises(InputError) as caught:
        read_manifest(table, _study(), truth=Truth.REQUIRED)
    (problem,) = caught.value.problems
    assert "Then rename that column to ValueToPredict_nodule" in problem.remedy


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"targets": None}, "names no labels"),
        ({"targets": ["a", "a"]}, "the same name"),
        ({"targets": ["a "]}, "ends with a blank"),
        ({"classes": {"a": 0, "b": 1}}, "a multi-label study has no classes"),
        ({"rest": "background"}, "no background"),
        ({"training": {"loss": "cross_entropy"}}, "'cross_entropy' serves"),
    ],
)
def test_what_a_study_of_labels_cannot_say_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _study(**changes)
    assert told in str(caught.value)


def test_folds_have_the_like_of_each_combination() -> None:
    study = _study(validation={"outer_folds": 4, "inner_folds": 2, "metrics": ["auc"], "select": "auc"})
    values = ["1;0", "0;1", "1;1", "0;0", "0;?"]
    cases = tuple(_case(number, values[number % 5]) for number in range(60))
    for outer in nested_folds(study, _cohort(cases)):
        assert Counter(case.value for case in outer.test) == dict.fromkeys(values, 3)


def test_check_counts_positives_and_names_what_never_occurs() -> None:
    study = _study()
    cases = tuple(_case(number, "1;0" if number < 3 else "0;?") for number in range(8))
    counts = Counter(case.value for case in cases)
    assert LABELS.described(study, counts) == "effusion (3 of 8 cases), nodule (0 of 3 cases, 5 unknown)"
    split = nested_folds(study, _cohort(cases))[0].inner[0]
    told = [notice.what for notice in cohort_notices(study, _cohort(cases), {}, {"fold-0": split})]
    assert "no case has the label 'nodule'" in told
    without = [name for name, found in split.sets.items() if all(case.value != "1;0" for case in found)]
    assert any("the label 'effusion', which 3 patients have, is missing" in each for each in told) is bool(without)


def test_a_prediction_is_written_with_both_answers_and_read_back() -> None:
    study, vector = _study(), np.array([0.5, 0.49999], dtype=np.float32)
    assert LABELS.header(study)[:2] == ("Prediction_effusion", "Prediction_nodule")
    row = LABELS.row(study, vector)
    assert row[:2] == (1, 0)
    np.testing.assert_allclose(LABELS.vector(study, [str(cell) for cell in row[2:]]), vector, atol=1e-6)
    with pytest.raises(InputError, match="between 0 and 1"):
        LABELS.vector(study, ["1.2", "0"])
    told = LABELS.verdict(study, vector, Told(numbers=(UNKNOWN, 1.0)))
    assert told == "truth nodule, prediction effusion (50%)"


def _case(number: int, value: str) -> Case:
    name = f"case-{number:02d}"
    return Case(name, name, (), None, value, None, number + 2)


def _cohort(cases: tuple[Case, ...]) -> Cohort:
    return Cohort(Path("data.csv"), cases)
