"""Run lengths, histories, tables of cases and folds."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.progress import progress
from wardround.engine.cohort import Folds, Truth, chosen_splits, read_manifest
from wardround.engine.experiments.casetables import distribution, read_cases, write_cases
from wardround.engine.experiments.folds import LEADERBOARD, fit_splits
from wardround.engine.experiments.history import HistoryRow, Memory
from wardround.engine.experiments.run_length import RunLength, run_length
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.scores import CaseScores, Evaluation
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
    assert [line.split(",")[0] for line in lines] == ["Split", "fold-0", "fold-1", "fold-2", "mean", "spread", "splits"]
