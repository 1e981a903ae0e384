"""Checkpoints cost a twentieth of the time at most, whatever they cost, unless a greatest loss was stated."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.training import CheckpointPlan, Learner, load_checkpoint
from wardround.engine.training.pace import GRACE, SHARE, Pace

STUDY = tiny_study()


class Clock:
    """A clock that stands still unless it is told."""

    now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@given(
    steps=st.lists(st.floats(0.001, 30), min_size=1, max_size=300),
    cost=st.floats(0, 40),
    every=st.floats(0.001, 60),
    seed=st.integers(0, 99),
)
def test_checkpoints_keep_to_their_share(steps: list[float], cost: float, every: float, seed: int) -> None:
    clock, uneven = Clock(), random.Random(seed)
    pace, spent, last = Pace(clock), 0.0, 0.0
    began = clock.now
    for step in steps:
        clock.now += step
        if pace.is_due(every, None):
            start = clock.now
            last = cost * uneven.uniform(0.8, 1.2)
            clock.now += last
            spent += last
            pace.saved(start)
        # The first one's cost cannot be known; later ones may cost half as much again as was reckoned.
        assert spent <= SHARE * (clock.now - began) + GRACE + 1.2 * cost
    assert spent <= SHARE * (clock.now - began) + GRACE + 1.2 * cost


@given(cost=st.floats(0, 40), step=st.floats(0.001, 10), most=st.floats(0.5, 60))
def test_a_stated_loss_is_the_greatest_loss(cost: float, step: float, most: float) -> None:
    clock = Clock()
    pace, saved = Pace(clock), clock.now
    for _ in range(100):
        clock.now += step
        if pace.is_due(60.0, most):
            start = clock.now
            clock.now += cost
            pace.saved(start)
            saved = clock.now
        assert clock.now - saved < most + step


def test_cheap_checkpoints_are_as_frequent_as_asked() -> None:
    clock = Clock()
    pace, count = Pace(clock), 0
    for _ in range(1000):
        clock.now += 1
        if pace.is_due(60.0, None):
            start = clock.now
            clock.now += 0.1
            pace.saved(start)
            count += 1
    assert count == pytest.approx(1000 / 60, abs=1)


@pytest.mark.parametrize("cost", [0.0, 50.0])
def test_a_dear_end_is_not_saved_and_resuming_stays_exact(tmp_path: Path, cost: float) -> None:
    whole = Learner.create(STUDY, 6, device="cpu")
    whole.train(DiscBatches(STUDY), 0, 6)
    clock, plan = Clock(), CheckpointPlan(tmp_path / "c", "work", every_steps=2)

    def saved(step: int) -> None:
        clock.now += cost

    first = Learner.create(STUDY, 6, device="cpu")
    pace = Pace(clock)
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=4, on_saved=saved, pace=pace)
    first.train(DiscBatches(STUDY), 0, 5, checkpoint=plan)
    found = load_checkpoint(plan.path, "work")
    assert found is not None
    assert found.position.step == (5 if cost == 0 else 4)
    second = Learner.create(STUDY, 6, device="cpu")
    second.train(DiscBatches(STUDY), 0, 6, checkpoint=CheckpointPlan(tmp_path / "c", "work"))
    assert all((second.weights()[name] == tensor).all() for name, tensor in whole.weights().items())
