"""Losses of numbers against torch's own, sample by sample."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from wardround.engine.losses.numbers import HuberLoss, L1Loss, LogCoshLoss, MSELoss, QuantileLoss, SmoothL1Loss
from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.parts.losses import L1, MSE, Huber
from wardround.engine.parts.losses.numbers import LogCosh, Quantile, SmoothL1
from wardround.engine.sampling.batch import Batch


def _case(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, Batch]:
    generator = torch.Generator().manual_seed(0)
    outputs = 3 * torch.randn(7, 2, generator=generator)
    return outputs.to(dtype), Batch((), outputs, {"numbers": torch.randn(7, 2, generator=generator)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_are_torchs_mean_over_the_numbers_of_each_sample(dtype: torch.dtype) -> None:
    outputs, batch = _case(dtype)
    given, truth = outputs.float(), batch.truth["numbers"]
    for found, expected in (
        (MSELoss(MSE())(outputs, batch), functional.mse_loss(given, truth, reduction="none")),
        (L1Loss(L1())(outputs, batch), functional.l1_loss(given, truth, reduction="none")),
        (HuberLoss(Huber())(outputs, batch), functional.huber_loss(given, truth, reduction="none")),
        (
            HuberLoss(Huber(delta=0.3))(outputs, batch),
            functional.huber_loss(given, truth, reduction="none", delta=0.3),
        ),
        (
            SmoothL1Loss(SmoothL1(beta=0.3))(outputs, batch),
            functional.smooth_l1_loss(given, truth, reduction="none", beta=0.3),
        ),
        (LogCoshLoss(LogCosh())(outputs, batch), (given - truth).double().cosh().log().float()),
        (
            QuantileLoss(Quantile(quantile=0.3))(outputs, batch),
            torch.where(truth > given, 0.3 * (truth - given), 0.7 * (given - truth)),
        ),
    ):
        torch.testing.assert_close(found, expected.mean(dim=1))


def test_the_gradient_of_the_huber_loss_is_torchs() -> None:
    outputs, batch = _case()
    ours, theirs = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    torch.autograd.backward(HuberLoss(Huber(delta=0.7))(ours, batch).sum())
    expected = functional.huber_loss(theirs, batch.truth["numbers"], reduction="none", delta=0.7)
    torch.autograd.backward(expected.mean(dim=1).sum())
    torch.testing.assert_close(ours.grad, theirs.grad)


ROWS = [part for part in builtin_and_plugins().parts(Kind.LOSS) if part.serves("regression") and not part.package]


@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.name)
def test_every_loss_of_numbers_has_the_gradient_of_differences_and_stays_finite(part: Part) -> None:
    loss: Any = part.make(part.parameters())
    outputs, batch = _case(torch.float64)
    outputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(given, batch), outputs, fast_mode=True)
    large = torch.tensor([[1e6, -1e6], [0.0, 0.0]], requires_grad=True)
    found = loss(large, Batch((), large, {"numbers": torch.zeros(2, 2)}))
    torch.autograd.backward(found.sum())
    assert found.isfinite().all()
    assert large.grad is not None
    assert large.grad.isfinite().all()


@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.name)
def test_every_loss_of_numbers_serves_images_and_leaves_out_voxels_that_do_not_count(part: Part) -> None:
    loss: Any = part.make(part.parameters())
    generator = torch.Generator().manual_seed(0)
    outputs, truth = (torch.randn(3, 2, 4, 5, generator=generator) for _ in range(2))
    flat = loss(outputs.flatten(1), Batch((), outputs, {"numbers": truth.flatten(1)}))
    torch.testing.assert_close(loss(outputs, Batch((), outputs, {"image": truth})), flat)
    valid = torch.rand((3, 4, 5), generator=generator) < 0.6
    valid[2] = False
    given = outputs.clone().requires_grad_()
    found = loss(given, Batch((), outputs, {"image": truth, "valid": valid}))
    torch.autograd.backward(found.sum())
    seen = valid[0].expand(2, 4, 5)
    alone = loss(outputs[:1][:, seen], Batch((), outputs, {"numbers": truth[:1][:, seen]}))
    torch.testing.assert_close(found[:1], alone)
    assert found[2] == 0
    assert given.grad is not None
    assert not given.grad[2].any()


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 0.95), st.integers(0, 99))
def test_the_number_that_costs_least_by_a_quantile_is_that_quantile(quantile: float, seed: int) -> None:
    truth = torch.randn(101, 1, generator=torch.Generator().manual_seed(seed))
    loss = QuantileLoss(Quantile(quantile=quantile))

    def cost(value: torch.Tensor) -> float:
        return float(loss(value.expand(101, 1), Batch((), truth, {"numbers": truth})).mean())

    # The least value that is not below so many of them (Koenker & Bassett 1978).
    wanted = truth.flatten().sort().values[math.ceil(101 * quantile) - 1]
    assert cost(wanted) == pytest.approx(min(map(cost, truth)), abs=1e-6)


def test_a_batch_without_numbers_is_refused() -> None:
    outputs, batch = _case()
    with pytest.raises(ValueError, match="a batch with numbers"):
        MSELoss(MSE())(outputs, Batch((), batch.image, {"category": torch.zeros(7, dtype=torch.int64)}))
    with pytest.raises(ValueError, match="a batch with an image"):
        MSELoss(MSE())(outputs[..., None], batch)
    with pytest.raises(ValueError, match="has the shape"):
        MSELoss(MSE())(outputs[:, :1], batch)
