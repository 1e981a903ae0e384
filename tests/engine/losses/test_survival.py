"""The partial likelihood against sums by hand, a published analysis, and what far risks do to it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wardround.engine.losses.survival import CoxLoss
from wardround.engine.parts.losses import Cox
from wardround.engine.sampling import Batch

Ties = Literal["efron", "breslow"]
TREATED = [(6, 1)] * 3 + [
    (6, 0),
    (7, 1),
    (9, 0),
    (10, 1),
    (10, 0),
    (11, 0),
    (13, 1),
    (16, 1),
    (17, 0),
    (19, 0),
    (20, 0),
]
TREATED += [(22, 1), (23, 1), (25, 0), (32, 0), (32, 0), (34, 0), (35, 0)]
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
"""Weeks of remission of 42 children with leukaemia (Freireich et al. 1963): of 6-mercaptopurine, and of a placebo."""


def _losses(ties: Ties, risks: Tensor, times: list[float], events: list[int]) -> Tensor:
    truth = torch.tensor([times, events], dtype=torch.float32).T
    return CoxLoss(Cox(ties=ties))(risks.reshape(-1, 1), Batch((), risks, {"survival": truth}))


def _by_hand(ties: Ties, risks: list[float], times: list[float], events: list[int]) -> float:
    """One event time after the other, in Python's floats."""
    total = 0.0
    for time in sorted({time for time, event in zip(times, events, strict=True) if event}):
        tied = [risk for risk, t, e in zip(risks, times, events, strict=True) if t == time and e]
        at_risk = math.fsum(math.exp(risk) for risk, t in zip(risks, times, strict=True) if t >= time)
        own = math.fsum(map(math.exp, tied))
        for place, risk in enumerate(tied):
            share = place / len(tied) if ties == "efron" else 0.0
            total += math.log(at_risk - share * own) - risk
    return total / sum(events)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-4, 4), st.integers(0, 6), st.integers(0, 1)), min_size=2, max_size=12))
def test_the_mean_is_the_likelihood_by_event(ties: Ties, cases: list[tuple[float, int, int]]) -> None:
    risks, times, events = (list(each) for each in zip(*cases, strict=True))
    found = _losses(ties, torch.tensor(risks), times, events)
    assert found.shape == (len(cases),)
    if not any(events):
        assert found.tolist() == [0.0] * len(cases)
        return
    assert float(found.mean()) == pytest.approx(_by_hand(ties, risks, times, events), rel=1e-4, abs=1e-5)
    assert all(float(loss) == 0 for loss, event in zip(found, events, strict=True) if not event)


@pytest.mark.parametrize(("ties", "published"), [("breslow", 1.5092), ("efron", 1.5721)])
def test_the_hazard_ratio_of_a_published_trial_is_found(ties: Ties, published: float) -> None:
    """Coefficients of the placebo as every textbook's package gives them for these data (R's `coxph`)."""
    times = [time for time, _ in TREATED] + PLACEBO
    events = [event for _, event in TREATED] + [1] * len(PLACEBO)
    placebo = torch.tensor([0.0] * len(TREATED) + [1.0] * len(PLACEBO))
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _losses(ties, weight * placebo, times, events).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    for _ in range(10):
        optimizer.step(closure)
    assert float(weight.detach()) == pytest.approx(published, abs=5e-4)


def test_a_constant_added_to_all_risks_changes_nothing_and_far_risks_stay_finite() -> None:
    times, events = [1.0, 2.0, 2.0, 3.0], [1, 1, 1, 0]
    risks = torch.tensor([0.3, -0.2, 1.0, 0.0])
    for ties in ("efron", "breslow"):
        torch.testing.assert_close(_losses(ties, risks + 100, times, events), _losses(ties, risks, times, events))
        far = torch.tensor([-300.0, 300.0, -300.0, 0.0], requires_grad=True)
        loss = _losses(ties, far, times, events).sum()
        loss.backward()
        assert math.isfinite(float(loss))
        assert far.grad is not None
        assert torch.isfinite(far.grad).all()


def test_gradients_are_those_of_differences() -> None:
    random = np.random.default_rng(0)
    risks = torch.tensor(random.normal(size=8).tolist(), requires_grad=True)
    times, events = [1.0, 1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0], [1, 1, 0, 1, 1, 1, 0, 1]
    _losses("efron", risks, times, events).mean().backward()
    assert risks.grad is not None
    for place in range(8):
        shifted = [[float(risk) + step * (each == place) for each, risk in enumerate(risks)] for step in (1e-4, -1e-4)]
        one, other = (_by_hand("efron", each, times, events) for each in shifted)
        assert float(risks.grad[place]) == pytest.approx((one - other) / 2e-4, abs=1e-4)


def test_a_batch_without_events_still_has_a_gradient_of_zero() -> None:
    risks = torch.ones(3, requires_grad=True)
    _losses("efron", risks, [1.0, 2.0, 3.0], [0, 0, 0]).mean().backward()
    assert risks.grad is not None
    assert risks.grad.tolist() == [0.0, 0.0, 0.0]
