"""Predictions come from outputs, and outputs with the same prediction from predictions."""

from __future__ import annotations

import pytest
import torch

from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.targets import Activation

OUTPUTS = torch.tensor([[[-3.0, 0.0, 2.5], [1.0, -0.25, 7.0]]])


@pytest.mark.parametrize("name", Activation)
def test_outputs_of_a_prediction_predict_the_same(name: Activation) -> None:
    pair = ACTIVATIONS[name]
    predicted = pair.activate(OUTPUTS)
    torch.testing.assert_close(pair.activate(pair.outputs_of(predicted)), predicted)


def test_a_certain_prediction_has_finite_outputs() -> None:
    certain = torch.tensor([[0.0, 1.0]])
    for name in (Activation.SOFTMAX, Activation.SIGMOID):
        assert ACTIVATIONS[name].outputs_of(certain).isfinite().all()
