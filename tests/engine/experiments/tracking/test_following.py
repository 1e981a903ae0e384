"""Each row reaches a tracker once, whatever is interrupted, and no tracker can end a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from tests.engine.experiments.tracking import memory
from tests.engine.experiments.tracking.memory import Memory
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.fit import RunResult, fit, tell_trackers
from wardround.engine.experiments.history import scalars_of
from wardround.engine.experiments.tracking.following import RECORD, UNTRACKED, Tracking
from wardround.engine.experiments.tracking.known import TRACKERS
from wardround.engine.experiments.tracking.tracker import Ending
from wardround.engine.experiments.workbench import Workbench

TRACKED = Tracking(("memory",))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    place = tmp_path_factory.mktemp("tracking")
    training = {"loss": "dice_ce", "batch_size": 2, "epochs": 3}
    study = flat_study(
        training=training, validation={"outer_folds": 3, "inner_folds": 2, "metrics": ["dice"], "select": "dice"}
    )
    return Workbench.open(study, flat_cohort(place / "data", cases=6), place / "work", device="cpu")


@pytest.fixture(scope="module")
def untracked(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return fit(bench, tmp_path_factory.mktemp("untracked") / "fold-0")


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRACKERS, "memory", memory.known())  # type: ignore[arg-type]
    monkeypatch.setattr(Memory, "runs", {})
    monkeypatch.setattr(Memory, "fails_at", range(0))
    monkeypatch.setattr(Memory, "calls", 0)


def _values(result: RunResult) -> list[dict[str, float]]:
    return [scalars_of(row) for row in result.rows]


class _Interrupter:
    def __init__(self, step: int) -> None:
        self._step = step

    def advance(self, done: int, note: str = "") -> None:
        if done == self._step:
            raise KeyboardInterrupt


def test_a_run_is_told_as_it_is_and_once(bench: Workbench, untracked: RunResult, tmp_path: Path) -> None:
    result = fit(bench, tmp_path / "fold-0", tracking=TRACKED)
    (run,) = Memory.runs.values()
    assert run.steps == [row.step for row in result.rows]
    assert len(run.steps) == 3
    assert [each for _, each in run.values] == _values(result) == _values(untracked)
    chosen, metrics = run.scores[0], result.metrics
    assert metrics.test is not None
    assert {*chosen} == {f"chosen/{each}/{name}" for each in ("validation", "test") for name in metrics.test.values}
    assert chosen["chosen/test/dice"] == metrics.test.values["dice"]
    assert chosen["chosen/validation/dice"] == metrics.validation.values["dice"]
    assert run.endings == [Ending.FINISHED]
    assert (run.described.project, run.described.name) == ("flat", "fold-0")
    assert run.described.settings["training.batch_size"] == 2
    assert run.described.digests["study"] == bench.study.digest
    tell_trackers(bench.study, result, TRACKED)
    fit(bench, tmp_path / "fold-0", tracking=TRACKED)
    assert len(run.steps) == 3, "a finished run has nothing more to tell"
    assert len(Memory.runs) == len(run.scores) == len(run.endings) == 1
    assert (result.model / "model.safetensors").read_bytes() == (untracked.model / "model.safetensors").read_bytes()


def test_a_run_that_goes_on_is_told_in_the_same_run_and_no_step_twice(bench: Workbench, tmp_path: Path) -> None:
    steps = bench.source().steps_per_epoch
    with pytest.raises(KeyboardInterrupt):
        fit(bench, tmp_path / "fold-0", _Interrupter(2 * steps - 1), TRACKED)
    (run,) = Memory.runs.values()
    assert (run.steps, run.endings) == ([steps], [Ending.STOPPED])
    (tmp_path / "fold-0" / "checkpoint.safetensors").unlink(missing_ok=True)  # all steps are done again
    with pytest.raises(KeyboardInterrupt):
        fit(bench, tmp_path / "fold-0", _Interrupter(2 * steps - 1), UNTRACKED)
    result = fit(bench, tmp_path / "fold-0", tracking=TRACKED)
    assert len(Memory.runs) == 1
    assert run.steps == [steps, 2 * steps, 3 * steps]
    assert [each for _, each in run.values] == _values(result)
    assert run.endings == [Ending.STOPPED, Ending.FINISHED]


def test_what_was_trained_without_a_tracker_is_told_when_one_is_asked_for(
    bench: Workbench, untracked: RunResult
) -> None:
    tell_trackers(bench.study, untracked, TRACKED)
    (run,) = Memory.runs.values()
    assert [each for _, each in run.values] == _values(untracked)
    assert len(run.scores) == 1


@pytest.mark.parametrize(("fails_at", "lacks"), [(range(2, 3), False), (range(1, 99), True)], ids=["once", "for good"])
def test_a_tracker_that_fails_is_told_of_once_and_stops_nothing(
    bench: Workbench,
    untracked: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fails_at: range,
    lacks: bool,
) -> None:
    monkeypatch.setattr(Memory, "fails_at", fails_at)
    result = fit(bench, tmp_path / "fold-0", tracking=TRACKED)
    assert (result.model / "model.safetensors").read_bytes() == (untracked.model / "model.safetensors").read_bytes()
    told = capsys.readouterr().err
    assert told.count("could not be told of this run ([Errno 28] no space is left for anything)") == 1
    assert ("lacks the values from step" in told) == lacks
    (run,) = Memory.runs.values()
    monkeypatch.setattr(Memory, "fails_at", range(0))
    tell_trackers(bench.study, result, TRACKED)
    assert [each for _, each in run.values] == _values(result)
    assert len(run.scores) == 1


def test_a_damaged_record_is_said_before_anything_is_told(bench: Workbench, tmp_path: Path) -> None:
    folder = tmp_path / "fold-0"
    folder.mkdir()
    (folder / RECORD).write_text("{")
    with pytest.raises(InputError, match=r"tracking\.json: this file of a run is damaged"):
        fit(bench, folder, tracking=TRACKED)
    assert not Memory.runs
