"""Losses against a slow oracle in numpy, against torch's cross-entropy and against MONAI's Dice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses.classic import CrossEntropyLoss, DiceCELoss, one_hot
from wardround.engine.parts.losses import CrossEntropy, DiceCE
from wardround.engine.sampling.batch import Batch

GRIDS = [(6,), (4, 5), (3, 4, 5)]


def dense(grid: tuple[int, ...], samples: int = 3, classes: int = 4) -> tuple[Tensor, Batch]:
    """Random logits and masks."""
    generator = torch.Generator().manual_seed(len(grid))
    logits = 2 * torch.randn(samples, classes, *grid, generator=generator)
    label = torch.randint(0, classes, (samples, *grid), generator=generator)
    return logits, Batch((), logits, {"mask": label})


def slow_dice_ce(logits: Tensor, label: Tensor, parameters: DiceCE) -> list[float]:
    """Voxel by voxel, in float64, from the formulas."""
    losses = []
    for sample, truth in zip(logits.double().numpy(), label.numpy(), strict=True):
        classes = sample.shape[0]
        voxels = sample.reshape(classes, -1).T
        p = np.array([np.exp(voxel) / np.exp(voxel).sum() for voxel in voxels])
        q = np.array([[float(value == k) for k in range(classes)] for value in truth.ravel()])
        scored = range(0 if parameters.include_background else 1, classes)
        dice = [
            (2 * (p[:, k] * q[:, k]).sum() + parameters.smooth) / (p[:, k].sum() + q[:, k].sum() + parameters.smooth)
            for k in scored
        ]
        ce = np.mean([-np.log(row[value]) for row, value in zip(p, truth.ravel(), strict=True)])
        losses.append(parameters.dice_weight * (1 - np.mean(dice)) + parameters.ce_weight * ce)
    return losses


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(
    "parameters",
    [DiceCE(), DiceCE(include_background=True), DiceCE(dice_weight=0.3, ce_weight=2.0, smooth=1.0)],
    ids=["default", "background", "weighted"],
)
def test_dice_ce_is_its_formula(grid: tuple[int, ...], parameters: DiceCE) -> None:
    logits, batch = dense(grid)
    assert batch.label is not None
    expected = slow_dice_ce(logits, batch.label, parameters)
    np.testing.assert_allclose(DiceCELoss(parameters)(logits, batch).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0, 0.0)])
def test_cross_entropy_is_torchs(grid: tuple[int, ...], smoothing: float, weights: tuple[float, ...] | None) -> None:
    logits, batch = dense(grid)
    assert batch.label is not None
    given = CrossEntropy(label_smoothing=smoothing, class_weights=weights)
    tensor = None if weights is None else torch.tensor(weights)
    expected = functional.cross_entropy(logits, batch.label, weight=tensor, label_smoothing=smoothing, reduction="none")
    torch.testing.assert_close(CrossEntropyLoss(given)(logits, batch), expected.flatten(1).mean(1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_a_classification_is_torchs(smoothing: float) -> None:
    logits, target = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 1, 1, 0])
    weights = (1.0, 2.0, 0.5)
    given = CrossEntropy(label_smoothing=smoothing, class_weights=weights)
    found = CrossEntropyLoss(given)(logits, Batch((), logits, {"category": target}))
    expected = functional.cross_entropy(
        logits, target, weight=torch.tensor(weights), label_smoothing=smoothing, reduction="none"
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("include_background", [False, True])
def test_the_dice_part_is_monais(include_background: bool) -> None:
    from monai.losses import DiceLoss

    logits, batch = dense((4, 5, 6))
    assert batch.label is not None
    parameters = DiceCE(ce_weight=0.0, include_background=include_background)
    theirs = DiceLoss(
        include_background=include_background, to_onehot_y=True, softmax=True, reduction="none",
        smooth_nr=parameters.smooth, smooth_dr=parameters.smooth,
    )  # fmt: skip
    expected = theirs(logits, batch.label.unsqueeze(1)).flatten(1).mean(1)
    torch.testing.assert_close(DiceCELoss(parameters)(logits, batch), expected)


@pytest.mark.parametrize("loss", [DiceCELoss(DiceCE()), CrossEntropyLoss(CrossEntropy())], ids=["dice_ce", "ce"])
def test_a_samples_loss_does_not_depend_on_the_others(loss: DiceCELoss | CrossEntropyLoss) -> None:
    logits, batch = dense((4, 5))
    assert batch.label is not None
    together = loss(logits, batch)
    for index in range(len(logits)):
        torch.testing.assert_close(loss(logits[index : index + 1], batch.one(index))[0], together[index])


@pytest.mark.parametrize("loss", [DiceCELoss(DiceCE()), CrossEntropyLoss(CrossEntropy())], ids=["dice_ce", "ce"])
def test_losses_are_float32_under_autocast_and_for_bfloat16_logits(loss: DiceCELoss | CrossEntropyLoss) -> None:
    logits, batch = dense((4, 5))
    expected = loss(logits.bfloat16().float(), batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(logits.bfloat16(), batch)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_a_perfect_prediction_costs_nothing_and_an_inverted_one_much() -> None:
    _, batch = dense((4, 5), classes=3)
    assert batch.label is not None
    perfect = 40 * one_hot(batch.label, 3).reshape(3, 3, 4, 5)
    assert DiceCELoss(DiceCE())(perfect, batch).max() < 1e-5
    assert DiceCELoss(DiceCE())(-perfect, batch).min() > 1


def test_gradients_are_the_formulas() -> None:
    logits, batch = dense((3, 3), samples=2, classes=3)
    assert batch.label is not None
    exact = logits.double().requires_grad_()
    parameters = DiceCE()
    loss = DiceCELoss(parameters)(exact, batch).sum()
    (found,) = torch.autograd.grad(loss, exact)
    step = 1e-4
    for index in [(0, 0, 0, 0), (1, 2, 1, 2), (0, 1, 2, 1)]:
        moved = logits.double()
        moved[index] += step
        upper = sum(slow_dice_ce(moved, batch.label, parameters))
        moved[index] -= 2 * step
        lower = sum(slow_dice_ce(moved, batch.label, parameters))
        assert found[index].item() == pytest.approx((upper - lower) / (2 * step), rel=1e-3, abs=1e-6)


def test_extreme_logits_and_absent_classes_stay_finite() -> None:
    logits = torch.tensor([[[-1e4, 1e4], [1e4, -1e4], [0.0, 0.0]]], requires_grad=True)
    batch = Batch((), logits, {"mask": torch.zeros(1, 2, dtype=torch.int64)})
    loss = DiceCELoss(DiceCE())(logits, batch)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_batch_without_the_truth_that_the_outputs_need_is_refused() -> None:
    logits, batch = dense((4, 5))
    with pytest.raises(ValueError, match="need a batch with a category"):
        CrossEntropyLoss(CrossEntropy())(logits.mean((2, 3)), batch)
    with pytest.raises(ValueError, match="need a batch with a mask"):
        DiceCELoss(DiceCE())(logits, Batch((), logits, {"category": torch.zeros(3, dtype=torch.int64)}))
