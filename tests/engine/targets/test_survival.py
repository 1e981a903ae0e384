"""Times and events: how cells are read, everything that is wrong with them at once, and how folds share them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.images import write_table
from tests.support.studies import SURVIVAL, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Truth, nested_folds, read_manifest
from wardround.engine.study import Study
from wardround.engine.targets import Told
from wardround.engine.targets.survival import SURVIVAL as TARGET


def _study(**changes: Any) -> Study:
    return study_of(changed(SURVIVAL, **changes))


def _table(folder: Path, rows: list[tuple[str, str]], columns: tuple[str, str] = ("Time", "Event")) -> Path:
    (folder / "a.png").write_bytes(b"")
    cells = [(f"case-{place}", "a.png", *row) for place, row in enumerate(rows)]
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", *columns), cells)


def test_a_row_is_kept_exactly_and_spoken(tmp_path: Path) -> None:
    table = _table(tmp_path, [("538", "1"), ("677.0", "0.0"), ("0", "0")])
    cases = read_manifest(table, _study(), truth=Truth.REQUIRED).cases
    assert [case.value for case in cases] == ["538.0;1", "677.0;0", "0.0;0"]
    told = [TARGET.told(_study(), case.value) for case in cases]
    assert told[0] == Told(numbers=(538.0, 1.0))
    assert [TARGET.spoken(_study(), each) for each in told[:2]] == ["event after 538", "no event until 677"]


def test_everything_wrong_in_a_table_is_told_at_once_by_row(tmp_path: Path) -> None:
    rows = [("5", "1"), ("-3", "2"), ("", "0"), ("4", ""), ("two", "dead"), ("1,5", "Censored")]
    with pytest.raises(InputError) as caught:
        read_manifest(_table(tmp_path, rows), _study(), truth=Truth.REQUIRED)
    told = {problem.where.removeprefix("data.csv:"): problem for problem in caught.value.problems}
    assert {*told} == {
        *(f"3, subject 'case-1', {name}" for name in ("Time", "Event")),
        "4, subject 'case-2', Time",
        "5, subject 'case-3', Event",
        *(f"6, subject 'case-4', {name}" for name in ("Time", "Event")),
        *(f"7, subject 'case-5', {name}" for name in ("Time", "Event")),
    }
    assert "negative" in told["3, subject 'case-1', Time"].what
    assert "subtract 1" in told["3, subject 'case-1', Event"].remedy
    assert told["6, subject 'case-4', Event"].remedy == "Write 1"
    assert told["7, subject 'case-5', Event"].remedy == "Write 0"
    assert "Write 1.5" in told["7, subject 'case-5', Time"].remedy


def test_missing_columns_are_told_with_what_is_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_manifest(_table(tmp_path, [("5", "1")], ("futime", "Status")), _study(), truth=Truth.REQUIRED)
    remedies = [problem.remedy for problem in caught.value.problems]
    assert any("rename that column to Time" in remedy for remedy in remedies)
    assert any("'Status'? Then rename that column to Event" in remedy for remedy in remedies)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["5.0;0", "6.0;0"], "no row has an event"),
        (["5.0;1", "5.0;1", "4.0;0"], "no event comes before"),
        (["5.0;1", "6.0;0"], ""),
    ],
)
def test_a_table_that_orders_nobody_is_told(values: list[str], told: str) -> None:
    found = [*TARGET.table_flaws(_study(), values)]
    assert bool(found) is bool(told)
    assert all(told in flaw.what for flaw in found)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"targets": ["age"]}, "Time and Event"),
        ({"classes": {"a": 0, "b": 1}}, "a survival study has no classes"),
        ({"training": {"loss": "cox", "batch_size": 1}}, "compares the cases of a batch"),
        ({"training": {"loss": "mse"}}, "'mse' serves"),
    ],
)
def test_what_a_study_of_survival_cannot_say_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        _study(**changes)


def test_folds_have_the_like_of_events_early_and_late() -> None:
    study = _study(validation={"outer_folds": 4, "inner_folds": 2, "metrics": ["c_index"], "select": "c_index"})
    cases = tuple(_case(number, f"{float(number)};{int(number % 4 == 0)}") for number in range(64))
    for outer in nested_folds(study, Cohort(Path("data.csv"), cases)):
        events = Counter(TARGET.stratum(case.value) for case in outer.test)
        assert events == {"1": 4, "0": 12}
        times = [TARGET.told(study, case.value).numbers[0] for case in outer.test]
        assert abs(np.mean(times) - 31.5) < 8


def test_rare_events_and_small_batches_are_noted() -> None:
    values = [f"{float(number)};{int(number % 20 == 0)}" for number in range(100)]
    (notice,) = TARGET.table_notices(_study(training={"loss": "cox", "batch_size": 8}), values)
    assert "5 have an event: many batches of 8 will have none" in notice.what
    assert notice.remedy == "Write `batch_size: 80` or more"
    assert not [*TARGET.table_notices(_study(training={"loss": "cox", "batch_size": 32}), values)]


def _case(number: int, value: str) -> Case:
    name = f"case-{number:02d}"
    return Case(name, name, (), None, value, None, number + 2)
