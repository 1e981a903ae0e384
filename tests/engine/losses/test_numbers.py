"""Losses of numbers against torch's own, sample by sample."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from wardround.engine.losses.numbers import HuberLoss, L1Loss, MSELoss
from wardround.engine.parts.losses import L1, MSE, Huber
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
    ):
        torch.testing.assert_close(found, expected.mean(dim=1))


def test_the_gradient_of_the_huber_loss_is_torchs() -> None:
    outputs, batch = _case()
    ours, theirs = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    torch.autograd.backward(HuberLoss(Huber(delta=0.7))(ours, batch).sum())
    expected = functional.huber_loss(theirs, batch.truth["numbers"], reduction="none", delta=0.7)
    torch.autograd.backward(expected.mean(dim=1).sum())
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_batch_without_numbers_is_refused() -> None:
    outputs, batch = _case()
    with pytest.raises(ValueError, match="a batch with numbers"):
        MSELoss(MSE())(outputs, Batch((), batch.image, {"category": torch.zeros(7, dtype=torch.int64)}))
