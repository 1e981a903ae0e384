"""Losses of images against scikit-image, by hand, with voxels that do not count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.losses.images import GradientDifferenceLoss, SSIMLoss
from wardround.engine.parts.losses.images import PARTS, SSIM, GradientDifference
from wardround.engine.parts.setting import Setting
from wardround.engine.sampling import Batch

GENERATOR = torch.Generator().manual_seed(0)
TRUTH = torch.rand(2, 2, 13, 14, 12, generator=GENERATOR, dtype=torch.float64)
FOUND = (TRUTH + 0.2 * torch.randn(TRUTH.shape, generator=GENERATOR, dtype=torch.float64)).clamp(0, 1)


def batch_of(truth: torch.Tensor, **others: torch.Tensor) -> Batch:
    return Batch((), truth, {"image": truth, **others})


@pytest.mark.parametrize("data_range", [1.0, 2.5])
def test_structural_similarity_is_scikit_images(data_range: float) -> None:
    found = SSIMLoss(SSIM(data_range=data_range))(FOUND, batch_of(TRUTH))
    for sample in range(2):
        theirs = [
            structural_similarity(
                one.numpy(), other.numpy(), gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
                data_range=data_range,
            )
            for one, other in zip(FOUND[sample], TRUTH[sample], strict=True)
        ]  # fmt: skip
        assert found[sample].item() == pytest.approx(1 - np.mean(theirs), abs=1e-9)


def test_differences_of_gradients_are_their_formula() -> None:
    one, other = (
        torch.tensor([[[[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]]]),
        torch.tensor([[[[0.0, -1.0, 0.0], [1.0, 1.0, 1.0]]]]),
    )
    across = np.mean(np.abs(np.abs([1, 2, 0, 0]) - np.abs([-1, 1, 0, 0])))
    down = np.mean(np.abs(np.abs([0, -1, -3]) - np.abs([1, 2, 1])))
    loss = GradientDifferenceLoss(GradientDifference(l1_weight=0.5))(one, batch_of(other))
    level = np.mean([0, 2, 3, 1, 1, 1])
    assert loss.item() == pytest.approx((across + down) / 2 + 0.5 * level)


LOSSES: list[Any] = [part.make(part.parameters()) for part in PARTS]


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_differences_and_samples_are_on_their_own(loss: Any) -> None:
    given = FOUND.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda some: loss(some, batch_of(TRUTH)), given, fast_mode=True)
    alone = torch.cat([loss(FOUND[k : k + 1], batch_of(TRUTH[k : k + 1])) for k in range(2)])
    torch.testing.assert_close(loss(FOUND, batch_of(TRUTH)), alone)
    assert loss(TRUTH, batch_of(TRUTH)).abs().max() < 1e-9
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(FOUND.bfloat16(), batch_of(TRUTH.float())).dtype == torch.float32
    flat = torch.zeros(1, 1, 12, 12).requires_grad_()
    found = loss(flat, batch_of(torch.zeros(1, 1, 12, 12)))
    torch.autograd.backward(found.sum())
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_sample_of_which_nothing_counts_costs_nothing(loss: Any) -> None:
    valid = torch.ones(2, *TRUTH.shape[2:], dtype=torch.bool)
    everything = loss(FOUND, batch_of(TRUTH, valid=valid))
    torch.testing.assert_close(everything, loss(FOUND, batch_of(TRUTH)))
    valid[1] = False
    valid[0, :, :2] = False
    given = FOUND.clone().requires_grad_()
    found = loss(given, batch_of(TRUTH, valid=valid))
    torch.autograd.backward(found.sum())
    assert found[1] == 0
    assert given.grad is not None
    assert not given.grad[1].any()


def test_what_is_thinner_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="needs 11 voxels"):
        SSIMLoss(SSIM())(FOUND[..., :10], batch_of(TRUTH[..., :10]))
    study = study_of(SEGMENTATION)
    setting = Setting(("training", "loss"), study.task, 3, ("a",), (), (16, 16, 10), 2, masked=False)
    (flaw,) = SSIM().flaws(setting)
    assert "thinner" in flaw.what
