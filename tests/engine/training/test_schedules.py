"""Schedules have the published values, and depend on nothing but the step."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.parts.optimization import Constant, Cosine
from wardround.engine.training.schedules import constant_factor, cosine_factor


@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (25, 0.5 + math.sqrt(0.125)), (50, 0.5), (100, 0.0)])
def test_cosine_has_its_values(step: int, factor: float) -> None:
    assert cosine_factor(Cosine(), step, 100) == pytest.approx(factor, abs=1e-12)


def test_cosine_equals_torchs_scheduler() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=40, eta_min=0.1)
    for step in range(40):
        assert cosine_factor(Cosine(minimum=0.1), step, 40) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_warm_up_rises_linearly_to_the_full_rate() -> None:
    factors = [cosine_factor(Cosine(warmup=0.1), step, 100) for step in range(12)]
    assert factors[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors[10] == pytest.approx(1.0)
    assert factors[11] < 1.0


@given(
    warmup=st.floats(0, 0.99), minimum=st.floats(0, 0.99), total=st.integers(1, 5000), fraction=st.floats(0, 0.999999)
)
def test_the_factor_stays_within_its_range(warmup: float, minimum: float, total: int, fraction: float) -> None:
    step = int(fraction * total)
    factor = cosine_factor(Cosine(warmup=warmup, minimum=minimum), step, total)
    assert 0 < factor <= 1 + 1e-12
    if step >= round(warmup * total):
        assert factor >= minimum - 1e-12


def test_constant_is_one() -> None:
    assert {constant_factor(Constant(), step, 10) for step in range(10)} == {1.0}
