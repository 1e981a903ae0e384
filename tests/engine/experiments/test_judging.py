"""When a run validates, ends, and lowers its rate: all from its history, so that an interruption changes nothing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.experiments.fit import RunResult, fit
from wardround.engine.experiments.history import HistoryRow, Memory
from wardround.engine.experiments.judging import Judge
from wardround.engine.experiments.run_length import RunLength, run_length
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.scores import Evaluation
from wardround.engine.training import read_tensors

LENGTH = RunLength(total_steps=100, steps_per_epoch=5, validate_every=10)


def _memory(judge: Judge, scores: list[float | None]) -> Memory:
    memory = Memory()
    for count, score in enumerate(scores, start=1):
        metrics = {} if score is None else {judge.metric: score}
        row = HistoryRow(step=10 * count, epoch=2 * count, loss=1, learning_rate=1, seconds=1, metrics=metrics)
        memory = judge.after(memory, row)
    return memory


def _judge(**training: Any) -> Judge:
    return Judge(flat_study(training={"loss": "dice_ce", "steps": 12, "batch_size": 4, **training}))


@pytest.mark.parametrize(
    ("scores", "patience", "over"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.5], 2, True),  # an equal score is no better one
        ([0.5, 0.4], 3, False),
        ([0.5, 0.4, 0.4], 4, True),
        ([0.5, 0.4, 0.6], 2, False),
        ([None, None, None], 1, False),
        ([None, 0.5, None], 2, True),
        ([0.5] * 50, None, False),
    ],
)
def test_patience_is_counted_in_epochs_since_the_best(
    scores: list[float | None], patience: int | None, over: bool
) -> None:
    judge = _judge() if patience is None else _judge(patience=patience)
    assert judge.is_over(_memory(judge, scores), LENGTH) is over


def test_a_plateau_sees_what_validations_had_in_their_order() -> None:
    judge = _judge(schedule={"name": "reduce_on_plateau", "patience": 1, "factor": 0.5})
    assert judge.rate_scale(_memory(judge, [0.5, None, 0.4, 0.3])) == 0.5
    assert judge.rate_scale(_memory(judge, [0.5, None, 0.4])) == 1.0
    assert judge.rate_scale(_memory(judge, [0.3, 0.4, 0.5, 0.6])) == 1.0
    assert _judge().rate_scale(_memory(judge, [0.5] * 9)) == 1.0


@pytest.mark.parametrize(("every", "expected"), [(1, 5), (3, 15), (99, 50)])
def test_a_study_says_how_often_it_validates(every: int, expected: int) -> None:
    study = _judge(validate_every=every, steps=50).study
    assert run_length(study, 5, [(999, 999)] * 9).validate_every == expected


SCORES = (0.3, 0.5, 0.4, 0.5, 0.2, 0.1, 0.1, 0.1)
"""Of the validations in order; the best is the second."""


class _Killer:
    """Kills a run the first time that a step is reached."""

    def __init__(self, step: int) -> None:
        self._step, self.seen = step, list[int]()

    def advance(self, done: int, note: str = "") -> None:
        self.seen.append(done)
        if done == self._step:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A run of 16 steps, 2 to an epoch, with a validation after each, that ends when its scores fall."""
    place = tmp_path_factory.mktemp("judging")
    training = {
        "loss": "dice_ce",
        "optimizer": {"name": "sgd", "learning_rate": 0.02, "momentum": 0.9},
        "schedule": {"name": "reduce_on_plateau", "patience": 1, "factor": 0.5},
        "batch_size": 2,
        "accumulate": 2,
        "ema": 0.8,
        "steps": 16,
        "validate_every": 1,
        "patience": 3,
    }
    study = flat_study(training=training)
    return Workbench.open(study, flat_cohort(place / "data"), place / "work", device="cpu")


@pytest.fixture
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validations with the scores of `SCORES`, by how far the run is."""
    module = import_module("wardround.engine.experiments.fit")

    done = module._Run.segment

    def segment(self: Any, memory: Memory, start: int, stop: int, shown: Any) -> Memory:
        def evaluation(evaluation: Evaluation) -> dict[str, float]:
            return {"dice": SCORES[stop // 2 - 1]}

        monkeypatch.setattr(module, "defined", evaluation)
        return done(self, memory, start, stop, shown)

    monkeypatch.setattr(module._Run, "segment", segment)


def _facts(result: RunResult) -> object:
    weights = [(result.model / name).read_bytes() for name in ("model.safetensors", "last.safetensors")]
    return weights, result.metrics, [row.model_copy(update={"seconds": 0}) for row in result.rows]


@pytest.mark.usefixtures("_scored")
def test_a_run_ends_by_its_patience_wherever_it_was_killed(bench: Workbench, tmp_path: Path) -> None:
    steps = bench.source().steps_per_epoch
    assert steps == 2, "what the scores are made for"
    straight = fit(bench, tmp_path / "straight")
    assert straight.metrics.best_step == 4
    assert straight.metrics.stopped == straight.rows[-1].step == 10
    assert [row.learning_rate for row in straight.rows] == [0.02, 0.02, 0.02, 0.02, 0.01]
    for step in (1, 5, 8, 9, 10):
        folder = tmp_path / f"killed-{step}"
        with pytest.raises(KeyboardInterrupt):
            fit(bench, folder, _Killer(step))
        again = _Killer(-1)
        assert _facts(fit(bench, folder, again)) == _facts(straight)
        assert max(again.seen, default=10) == 10
    last = read_tensors(straight.model / "last.safetensors").tensors
    raw = bench.learner(16)
    raw.rate_scale = 1.0
    raw.train(bench.source(), 0, 8)
    raw.rate_scale = 0.5
    raw.train(bench.source(), 8, 10)
    with raw.averaged():
        averaged = raw.weights()
    assert all(torch.equal(last[name], averaged[name]) for name in averaged)
    assert any(not torch.equal(last[name], weight) for name, weight in raw.weights().items())


def test_validations_during_a_run_see_the_average(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = list[dict[str, torch.Tensor]]()
    evaluate = Workbench.evaluate

    def watching(self: Workbench, learner: Any, subset: Any, *others: Any, **named: Any) -> Evaluation:
        if named:
            seen.append(learner.weights())
        return evaluate(self, learner, subset, *others, **named)

    monkeypatch.setattr(Workbench, "evaluate", watching)
    result = fit(bench, tmp_path / "run")
    position = [row.step for row in result.rows].index(result.metrics.best_step or 0)
    best = read_tensors(result.model / "model.safetensors").tensors
    assert all(torch.equal(best[name], weight) for name, weight in seen[position].items())
