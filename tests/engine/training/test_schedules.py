"""Schedules have the published values, and depend on nothing but the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from tests.engine.training.fakes import tiny_study
from wardround.engine.parts import Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.optimization import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    ExpRange,
    OneCycle,
    Poly,
    ReduceOnPlateau,
    Step,
    Triangle,
    Triangular,
)
from wardround.engine.training import Learner
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


HORIZON = 60
Scheduler = Callable[..., Any]
PAIRS: list[tuple[Parameters, Scheduler]] = [
    (Constant(), partial(lr_scheduler.ConstantLR, factor=1.0)),
    (Cosine(minimum=0.2), partial(lr_scheduler.CosineAnnealingLR, T_max=HORIZON, eta_min=0.2)),
    (
        CosineRestarts(first=0.25, minimum=0.1),
        partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=15, eta_min=0.1),
    ),
    (CosineRestarts(first=0.1, growth=2), partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=6, T_mult=2)),
    (Poly(), partial(lr_scheduler.PolynomialLR, total_iters=HORIZON, power=0.9)),
    (Poly(power=2), partial(lr_scheduler.PolynomialLR, total_iters=HORIZON, power=2)),
    (Step(every=0.3, factor=0.5), partial(lr_scheduler.StepLR, step_size=18, gamma=0.5)),
    (Exponential(final=0.01), partial(lr_scheduler.ExponentialLR, gamma=0.01 ** (1 / HORIZON))),
    (
        Triangular(period=0.2, minimum=0.1),
        partial(lr_scheduler.CyclicLR, base_lr=0.1, max_lr=1.0, step_size_up=6, cycle_momentum=False),
    ),
    (
        ExpRange(period=0.2, minimum=0.1, final=0.01),
        partial(
            lr_scheduler.CyclicLR,
            base_lr=0.1,
            max_lr=1.0,
            step_size_up=6,
            mode="exp_range",
            gamma=0.01 ** (1 / HORIZON),
            cycle_momentum=False,
        ),
    ),
    (
        OneCycle(),
        partial(lr_scheduler.OneCycleLR, max_lr=1.0, total_steps=HORIZON, cycle_momentum=False),
    ),
    (
        OneCycle(rise=0.5, start=0.1, end=0.01),
        partial(
            lr_scheduler.OneCycleLR,
            max_lr=1.0,
            total_steps=HORIZON,
            pct_start=0.5,
            div_factor=10,
            final_div_factor=10,
            cycle_momentum=False,
        ),
    ),
]


def _factor(parameters: Parameters) -> Callable[[int, int], float]:
    row = next(row for row in builtin_and_plugins().parts(Kind.SCHEDULE) if row.parameters is type(parameters))
    return partial(row.load(), parameters)


@pytest.mark.parametrize(("parameters", "scheduler"), PAIRS, ids=lambda each: type(each).__name__)
def test_every_step_has_the_rate_of_torchs_scheduler(parameters: Parameters, scheduler: Scheduler) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference, factor = scheduler(optimizer), _factor(parameters)
    for step in range(HORIZON):
        assert factor(step, HORIZON) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-7, abs=1e-12), step
        optimizer.step()
        if step + 1 < HORIZON:
            reference.step()


def _gandlfs_triangle(step: int, half: int, least: float, most: float) -> float:
    """The factor of GaNDLF's `triangle` as it is written there."""
    cycle = math.floor(1 + step / (2 * half))
    return most - (most - least) * max(0, 1 - abs(step / half - 2 * cycle + 1))


def _gandlfs_modified(step: int, cycle: int, least: float, most: float) -> float:
    """That of its `triangle_modified`."""
    distance = 2 * abs(step % cycle - cycle / 2) / cycle
    return distance + least / most * (1 - distance)


def test_triangle_is_both_of_gandlfs() -> None:
    factor = _factor(Triangle(period=0.2, minimum=0.1))
    for step in range(HORIZON):
        assert factor(step, HORIZON) == pytest.approx(_gandlfs_triangle(step, 6, 0.1, 1.0))
        assert factor(step, HORIZON) == pytest.approx(_gandlfs_modified(step, 12, 0.1, 1.0))


ROWS = builtin_and_plugins().parts(Kind.SCHEDULE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(total=st.integers(1, 3000), fraction=st.floats(0, 0.999999))
def test_no_rate_is_below_nothing_or_above_the_optimisers(row: Any, total: int, fraction: float) -> None:
    assert 0 <= row.load()(row.parameters(), int(fraction * total), total) <= 1 + 1e-9


@pytest.mark.parametrize("row", [row for row in ROWS if row.name != "one_cycle"], ids=lambda row: row.name)
def test_any_schedule_follows_a_warm_up_with_what_is_left(row: Any) -> None:
    """But one_cycle, which is a warm-up itself."""
    factor, warmed, cold = row.load(), row.parameters(warmup=0.25), row.parameters()
    assert [factor(warmed, step, 40) for step in range(10)] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert [factor(warmed, 10 + step, 40) for step in range(30)] == [factor(cold, step, 30) for step in range(30)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_step_of_a_loop_has_the_schedules_rate(row: Any) -> None:
    """A schedule is asked at every step, and only there: where GaNDLF names one, it never steps."""
    learner = Learner.create(tiny_study(training={"schedule": {"name": row.name}}), 20, device="cpu")
    rates = [learner.learning_rate(step) for step in range(20)]
    assert rates == [0.01 * row.load()(row.parameters(), step, 20) for step in range(20)]
    assert (len(set(rates)) > 1) == (row.name not in ("constant", "reduce_on_plateau"))


@given(
    scores=st.lists(st.floats(0, 1), max_size=40),
    higher=st.booleans(),
    patience=st.integers(0, 4),
    cooldown=st.integers(0, 3),
    minimum=st.sampled_from([0.0, 0.05]),
)
def test_a_plateau_is_torchs_after_every_validation(
    scores: list[float], higher: bool, patience: int, cooldown: int, minimum: float
) -> None:
    ours = ReduceOnPlateau(factor=0.5, patience=patience, cooldown=cooldown, minimum=minimum)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if higher else "min",
        factor=0.5,
        patience=patience,
        cooldown=cooldown,
        min_lr=minimum,
        eps=0.0,
    )
    for count, score in enumerate(scores, start=1):
        reference.step(score)
        assert ours.factor_after(scores[:count], higher) == pytest.approx(optimizer.param_groups[0]["lr"]), count


def test_a_plateau_below_nothing_has_a_margin_too() -> None:
    """torch's is then on the wrong side of the best: each score that repeats it would be better."""
    flat = ReduceOnPlateau(patience=1)
    assert flat.factor_after([-1.0] * 3, higher_is_better=True) == pytest.approx(0.1)
    assert flat.factor_after([-1.0, -0.9, -0.8], higher_is_better=True) == 1.0
