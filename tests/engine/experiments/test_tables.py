"""Run lengths, histories, tables of cases and folds."""

from __future__ import annotations

import statistics
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.progress import progress
from wardround.engine.cohort import Case, Folds, NamedSplit, Split, Truth, chosen_splits, read_manifest
from wardround.engine.experiments.casetables import distribution, read_cases, write_cases
from wardround.engine.experiments.folds import LEADERBOARD, Leaderboard, _by_test_set, _interval, fit_splits
from wardround.engine.experiments.history import HistoryRow, Memory
from wardround.engine.experiments.run_length import RunLength, run_length
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.intervals import of_folds
from wardround.engine.metrics.scores import CaseScores, Evaluation
from wardround.engine.report.board import board_json, board_text
from wardround.engine.report.runs import write_leaderboard_report
from wardround.engine.report.units import Length, Units
from wardround.engine.study import Study


def _epochs(study: Study, epochs: int) -> Study:
    training = study.training.model_copy(update={"steps": None, "epochs": epochs})
    return study.model_copy(update={"training": training})


@given(total=st.integers(1, 500), every=st.integers(1, 120), done=st.integers(0, 4))
def test_segments_cover_every_step_once_and_end_in_a_validation(total: int, every: int, done: int) -> None:
    length = RunLength(total, 7, every)
    start = min(done * every, total)
    segments = list(length.segments(start))
    steps = [step for first, last in segments for step in range(first, last)]
    assert steps == list(range(start, total))
    assert len(list(length.segments(0))) == length.validations


def test_cheap_validations_come_every_epoch() -> None:
    length = run_length(_epochs(flat_study(), 50), 100, [(16, 16)] * 4)
    assert length == RunLength(5000, 100, 100)


def test_dear_validations_come_after_several_epochs_but_five_times() -> None:
    study = _epochs(flat_study(), 50)
    # 4 windows a case and 12 forward passes a step: 60 cases cost 240 passes, a fifth of 4 times as many.
    assert run_length(study, 10, [(28, 28)] * 60).validate_every == 80
    assert run_length(study, 10, [(2000, 2000)] * 60).validate_every == 100


def test_steps_replace_epochs() -> None:
    assert run_length(flat_study(), 10, [(16, 16)]).total_steps == 12


def _row(step: int) -> HistoryRow:
    return HistoryRow(step=step, epoch=step / 2, loss=0.5, learning_rate=0.1, seconds=1.0, metrics={})


@pytest.mark.parametrize(
    ("scores", "higher", "best"),
    [
        ([0.1, 0.3, 0.3, 0.2], True, 2),
        ([0.1, 0.3, 0.05, 0.05], False, 3),
        ([None, None], True, None),
        ([None, 0.0, None], True, 2),
        ([None, 0.9, 0.1], False, 3),
    ],
)
def test_the_best_step(scores: list[float | None], higher: bool, best: int | None) -> None:
    memory = Memory()
    for step, score in enumerate(scores, start=1):
        memory = memory.followed_by(_row(step), score, higher_is_better=higher)
    assert memory.best_step == best
    assert memory.done == len(scores)
    assert Memory.model_validate(memory.model_dump(mode="json")) == memory


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_distributions_are_those_of_the_textbook(values: list[float]) -> None:
    found = distribution(values)
    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert found.spread == pytest.approx(statistics.pstdev(values) * (len(values) / (len(values) - 1)) ** 0.5, abs=1e-3)
    assert (found.lowest, found.highest) == (min(values), max(values))
    assert distribution(values[:1]).spread is None


def test_cases_go_through_their_table_exactly(tmp_path: Path) -> None:
    cases = (CaseScores("a, b", {"dice": 1 / 3, "dice.x": 0.1}), CaseScores('c"', {"dice": 1e-17}))
    write_cases(tmp_path / "cases.csv", {"test": Evaluation(cases, {})})
    assert read_cases(tmp_path / "cases.csv") == {"test": cases}


def test_folds_name_their_splits(tmp_path: Path) -> None:
    study = flat_study()
    cohort = read_manifest(flat_cohort(tmp_path), study, truth=Truth.REQUIRED)
    assert [split.name for split in chosen_splits(study, cohort, 2)] == ["fold-2"]
    assert [split.name for split in chosen_splits(study, cohort, Folds.ALL)] == ["fold-0", "fold-1", "fold-2"]
    nested = chosen_splits(study, cohort, Folds.NESTED)
    assert [split.name for split in nested] == [f"fold-{o}-inner-{i}" for o in range(3) for i in range(2)]
    assert nested[0].split == chosen_splits(study, cohort, 0)[0].split


def test_a_leaderboard_over_folds(tmp_path: Path) -> None:
    training = flat_study().training.model_copy(update={"steps": 2})
    study = flat_study().model_copy(update={"training": training})
    bench = Workbench.open(study, flat_cohort(tmp_path / "data"), tmp_path, device="cpu")
    board = fit_splits(bench, chosen_splits(study, bench.cohort, Folds.ALL), tmp_path / "run", progress)
    dice = [result.metrics.test.values["dice"] for result in board.results.values() if result.metrics.test]
    assert board.scores["dice"].mean == pytest.approx(statistics.fmean(dice))
    assert board.scores["dice"].spread == pytest.approx(statistics.stdev(dice))
    lines = (tmp_path / "run" / LEADERBOARD).read_text().splitlines()
    ends = ["95 % CI from", "95 % CI to"]
    assert [line.split(",")[0] for line in lines] == [
        *("Split", "fold-0", "fold-1", "fold-2", "mean", "spread"), *ends, "splits"
    ]  # fmt: skip
    interval, expected = board.scores["dice"].interval, of_folds(dice, 4, 4)
    assert interval is not None
    assert expected is not None
    assert (interval.low, interval.high) == (max(0.0, expected.low), min(1.0, expected.high))
    place = lines[0].split(",").index("dice")
    assert [float(line.split(",")[place]) for line in lines if line.split(",")[0] in ends] == [*astuple(interval)]
    assert board_json(board)["scores"]["dice"]["interval"] == [*astuple(interval)]  # type: ignore[call-overload, index]
    assert f"({interval.low:.4f} to {interval.high:.4f}) over 3 splits" in board_text(board, tmp_path)
    _says_which_is_best_by_validation(study, board, tmp_path)


def _says_which_is_best_by_validation(study: Study, board: Leaderboard, folder: Path) -> None:
    """Whatever the test sets say."""
    validated = {name: result.metrics.validation.values["dice"] for name, result in board.results.items()}
    page = write_leaderboard_report(study, board, Units(Length.PIXELS), folder).read_text()
    assert f"the model of {max(validated, key=lambda name: validated[name])} is the best" in page
    assert "validation dice" in page


def _named(name: str, test: str, train: str) -> NamedSplit:
    def cases(letters: str) -> tuple[Case, ...]:
        return tuple(Case(letter, letter, (Path(letter),), None, None, None, 1) for letter in letters)

    return NamedSplit(name, Split(cases(train), (), cases(test)))


def test_inner_folds_count_once_for_their_test_set() -> None:
    splits = [
        _named("a0", "ab", "cde"),
        _named("a1", "ab", "fgh"),
        _named("b0", "cd", "abe"),
        _named("b1", "cd", "afg"),
    ]
    values, sets = {"a0": 4.0, "a1": 6.0, "b0": 8.0, "b1": 8.0}, _by_test_set(splits)
    study = flat_study()
    unbounded = of_folds([5.0, 8.0], 2, 3)
    assert unbounded is not None
    assert _interval(study, "hd95", values, sets) == replace(unbounded, low=0.0)
    assert _interval(study, "hd95", values | {"a0": 5.0, "a1": 5.0}, sets) == _interval(study, "hd95", values, sets)
    assert _interval(study, "hd95", {"a0": 4.0, "a1": 6.0}, sets) is None  # no fold of b has a score
    assert _interval(study, "hd95", values, sets[:1]) is None
    loss = _interval(study, "loss", values, sets)
    assert loss is not None
    assert loss.low < 0
