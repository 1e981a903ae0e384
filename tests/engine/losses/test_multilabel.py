"""Binary cross-entropy of labels by hand, and what unknown ones do to it: nothing."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wardround.engine.losses.multilabel import BCELoss
from wardround.engine.parts.losses import BCE
from wardround.engine.sampling import Batch


def _losses(outputs: Tensor, truth: Tensor) -> Tensor:
    return BCELoss(BCE())(outputs, Batch((), outputs, {"labels": truth}))


def test_it_is_the_mean_over_known_labels() -> None:
    outputs = torch.tensor([[2.0, -1.0, 5.0], [0.0, 3.0, -3.0]])
    truth = torch.tensor([[1.0, 0.0, math.nan], [math.nan, math.nan, math.nan]])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    found = _losses(outputs, truth)
    assert found.tolist() == pytest.approx([expected, 0.0])


def test_unknown_labels_get_no_gradient_and_known_ones_do() -> None:
    outputs = torch.zeros((1, 2), requires_grad=True)
    _losses(outputs, torch.tensor([[math.nan, 1.0]])).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [[0.0, -0.5]]


def test_far_outputs_have_a_finite_loss() -> None:
    assert _losses(torch.tensor([[400.0, -400.0]]), torch.tensor([[0.0, 1.0]])).tolist() == [400.0]


def test_a_batch_without_labels_is_told() -> None:
    with pytest.raises(ValueError, match="a batch with labels"):
        BCELoss(BCE())(torch.zeros(1, 2), Batch((), torch.zeros(1, 1), {}))
