"""Losses that are read late: the same records and weights, no fault missed, nothing spoilt saved, no wait per step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.sampling import SampleKey
from wardround.engine.sampling.batch import Batch
from wardround.engine.training import CheckpointPlan, DivergedError, Halted, Learner, StepRecord, late
from wardround.engine.training.late import LateLosses, Made

TOTAL = 10


def _trained(**keys: Any) -> tuple[bytes, list[StepRecord], float]:
    learner, records = Learner.create(tiny_study(), TOTAL, device="cpu"), list[StepRecord]()
    loss = learner.train(DiscBatches(learner.study), 0, TOTAL, on_step=records.append, **keys)
    return save(learner.weights()) + learner.optimizer_state(), records, loss


def _numbers(records: list[StepRecord]) -> list[tuple[int, float, float]]:
    return [(record.step, record.loss, record.learning_rate) for record in records]


@pytest.fixture(params=[1, 8, 50])
def behind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A loop that reads its losses so many steps late, as one on an accelerator does."""
    monkeypatch.setattr(LateLosses, "on", lambda device: LateLosses(request.param))
    return request.param


@pytest.fixture(scope="module")
def at_once() -> tuple[bytes, list[StepRecord], float]:
    return _trained()


def test_reading_late_changes_no_number(at_once: tuple[bytes, list[StepRecord], float], behind: int) -> None:
    weights, records, loss = _trained()
    assert (weights, _numbers(records), loss) == (at_once[0], _numbers(at_once[1]), at_once[2])


def test_a_checkpoint_knows_every_loss_before_it(
    at_once: tuple[bytes, list[StepRecord], float], behind: int, tmp_path: Path
) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=3)
    first, seen = Learner.create(tiny_study(), TOTAL, device="cpu"), list[int]()
    made = iter(range(1, TOTAL))
    with pytest.raises(Halted):
        first.train(
            DiscBatches(first.study),
            0,
            TOTAL,
            on_step=lambda record: seen.append(record.step),
            halt=lambda: next(made) == 5,
            checkpoint=plan,
        )
    assert seen == [0, 1, 2, 3, 4]
    second = Learner.create(tiny_study(), TOTAL, device="cpu")
    assert second.train(DiscBatches(second.study), 0, TOTAL, checkpoint=plan) == at_once[2]
    assert save(second.weights()) + second.optimizer_state() == at_once[0]


class _Poisoned(DiscBatches):
    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        return replace(batch, image=batch.image * float("nan")) if step == 3 else batch


@pytest.mark.parametrize("every", [1, 3, 4, 5])
def test_a_fault_that_is_seen_late_is_named_and_never_saved(behind: int, every: int, tmp_path: Path) -> None:
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=every)
    learner = Learner.create(tiny_study(augmentation=[]), TOTAL, device="cpu")
    with pytest.raises(DivergedError, match=r"step 3, cases 000000000000.*the loss is nan"):
        learner.train(_Poisoned(learner.study), 0, TOTAL, checkpoint=plan)
    again = Learner.create(tiny_study(augmentation=[]), TOTAL, device="cpu")
    position = again.resume(plan)
    assert (0 if position is None else position.step) == 3 // every * every
    assert all(bool(tensor.isfinite().all()) for tensor in again.weights().values())


def test_records_wait_for_step_and_loss() -> None:
    losses, key = LateLosses(2), (SampleKey("c", 0),)
    told: list[tuple[int, float]] = []
    for step in range(5):
        losses.put(step, key, torch.tensor(step / 2))
        told.extend((record.step, record.loss) for record in losses.made(Made(step, 0.1, 1.0, 0.0)))
        assert told == [(number, number / 2) for number in range(step - 1)]
    assert [record.step for record in losses.all()] == [3, 4]
    assert list(losses.all()) == []


class _Reads(TorchDispatchMode):
    """Counts the questions that make a loop wait for its device: values and sizes that depend on data."""

    WAITING = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "unique", "bincount")

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += any(func.__name__.startswith(name) for name in self.WAITING)
        return func(*args, **(kwargs or {}))


def test_the_counter_counts() -> None:
    with _Reads() as reads:
        float(torch.ones(3).sum())
        bool(torch.tensor(True))
        torch.ones(3).nonzero()
    assert reads.count == 3


LOSSES = ("dice_ce", "cross_entropy", {"name": "cross_entropy", "class_weights": [1.0, 2.0], "label_smoothing": 0.1})


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_no_step_asks_the_device(loss: object, clip: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the losses are read: by copies that are waited for steps later, which this test leaves on their way."""
    monkeypatch.setattr(LateLosses, "on", lambda device: LateLosses(1000))
    monkeypatch.setattr(late, "_on_its_way", lambda value: lambda: 0.0)
    training = {"loss": loss, "gradient_clip": clip}
    counts = []
    for steps in (1, TOTAL):
        learner = Learner.create(tiny_study(training=training), TOTAL, device="cpu")
        monkeypatch.setattr(learner, "_check_weights", lambda step: None)
        with _Reads() as reads:
            learner.train(DiscBatches(learner.study), 0, steps)
        counts.append(reads.count)
    assert counts == [0, 0]


def test_a_loss_stays_what_it_was_when_it_was_put_in() -> None:
    """The optimiser changes what the loss was made of before the loss is read."""
    losses, weight = LateLosses(5), torch.ones(1, requires_grad=True)
    loss: Tensor = (3 * weight).sum()
    losses.put(0, (), loss.detach())
    with torch.no_grad():
        weight.zero_()
    assert [record.loss for record in losses.made(Made(0, 0.1, 1.0, 0.0))] == []
    assert [record.loss for record in losses.all()] == [3.0]


def test_a_loss_is_waited_for_on_the_device_that_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two devices visible, the current one is the first, whose stream knows nothing of a loss on the second."""
    events: list[str] = []

    def event() -> Any:
        return SimpleNamespace(record=lambda stream=None: events.append(str(stream)), synchronize=lambda: None)

    cuda = SimpleNamespace(Event=event, current_stream=lambda device=None: f"stream of {device}")
    host = SimpleNamespace(copy_=lambda loss, non_blocking: events.append("copied"))
    monkeypatch.setattr(late, "torch", SimpleNamespace(cuda=cuda, empty=lambda *shape, **how: host))
    loss: Any = SimpleNamespace(device=torch.device("cuda", 1), dtype=torch.float32)
    late._on_its_way(loss)
    assert events == ["copied", "stream of cuda:1"]
