"""Numbers far from zero keep what distinguishes them: in the store, in a batch, in the loss and on the way back."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.studies import REGRESSION, changed, study_of
from wardround.engine.preprocessing.fitted import FittedState, Scale
from wardround.engine.sampling import Batch
from wardround.engine.study import Study
from wardround.engine.targets import RowTarget, target_of
from wardround.engine.targets.numbers import LEAST_SPREAD, NUMBERS
from wardround.engine.tasks.regression import RegressionTask

STUDY: Study = study_of(changed(REGRESSION, training={"loss": "l1", "epochs": 2}))
OFFSETS = ((2e7, 0.05), (45_000.0, 0.01), (9.9e7, 1e-3), (43.0, 12.0), (0.0, 1e-11))


def _task(numbers: Sequence[float]) -> RegressionTask:
    scale = Scale(mean=float(np.mean(numbers)), deviation=float(np.std(numbers)))
    return RegressionTask(STUDY, FittedState(cases=len(numbers), truth=(scale,)))


def _scaled(number: float, task: RegressionTask) -> float:
    """In exact fractions."""
    mean, spread = (Fraction(float(value[0])) for value in (task._units._mean, task._units._spread))
    return float((Fraction(number) - mean) / spread)


class _Case:
    """A stored case, as far as its numbers go."""

    mask, has_label, target = None, False, None

    def __init__(self, number: float) -> None:
        self.numbers = (number,)


@pytest.mark.parametrize(("offset", "step"), OFFSETS)
def test_the_loss_is_that_of_exact_fractions_whatever_the_offset(offset: float, step: float) -> None:
    numbers = [offset + step * place for place in range(12)]
    task = _task(numbers)
    form = NUMBERS.forms(STUDY)["numbers"]
    truth = torch.stack([torch.from_numpy(NUMBERS.held(_Case(number))["numbers"]) for number in numbers])
    assert truth.dtype is getattr(torch, form.dtype)
    losses = task.losses(torch.zeros(12, 1), Batch((), torch.zeros(12, 1, 4, 4), {"numbers": truth}))
    assert losses.dtype is torch.float32
    expected = [abs(_scaled(number, task)) for number in numbers]
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("offset", "step"), OFFSETS)
def test_a_prediction_comes_back_from_its_row_as_the_network_gave_it(offset: float, step: float) -> None:
    task, target = _task([offset + step * place for place in range(12)]), target_of(STUDY)
    assert isinstance(target, RowTarget)
    given_outputs = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
    for vector, outputs in zip(task.in_units(given_outputs), given_outputs, strict=True):
        again = target.vector(STUDY, [str(cell) for cell in target.row(STUDY, vector)])
        np.testing.assert_array_equal(again, vector)
        # What is left is the rounding of float64 at the offset, in units of the spread.
        np.testing.assert_allclose(task.in_outputs(again), outputs, atol=1e-6 + 4e-16 * offset / task._units._spread[0])
        assert task.in_outputs(again).dtype == np.float32


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.sampled_from([1.0, 1e-9, 1e-16, 1e-200]))
def test_a_table_is_refused_where_the_spread_is_too_small_to_scale_by(numbers: list[float], unit: float) -> None:
    values = [repr(number * unit) for number in numbers]
    flaws = [*NUMBERS.table_flaws(STUDY, values)]
    fractions = [Fraction(value) for value in values]
    mean = sum(fractions) / len(fractions)
    variance = sum((each - mean) ** 2 for each in fractions) / len(fractions)
    if abs(float(variance) - LEAST_SPREAD**2) > 1e-9 * LEAST_SPREAD**2:
        assert bool(flaws) is (variance < Fraction(LEAST_SPREAD) ** 2)
    for flaw in flaws:
        alike = len({*map(float, values)}) == 1
        assert "same number" in flaw.what if alike else flaw.remedy.endswith("in a smaller unit")
