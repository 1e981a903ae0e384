"""From the outputs of a network to a prediction, and back to what a loss takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from wardround.engine.targets import Activation


@dataclass(frozen=True)
class ActivationPair:
    """An activation and its way back.

    Attributes:
        activate: (samples, outputs, *grid) float32 outputs of a network to predictions of the same shape.
        outputs_of: predictions to outputs with the same loss; zeros become float32's smallest number before a
            logarithm is taken.
    """

    activate: Callable[[Tensor], Tensor]
    outputs_of: Callable[[Tensor], Tensor]


def _softmax(outputs: Tensor) -> Tensor:
    return outputs.softmax(dim=1)


def _logarithms(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(torch.float32).tiny).log()


def _same(values: Tensor) -> Tensor:
    return values


ACTIVATIONS: Mapping[Activation, ActivationPair] = {
    Activation.SOFTMAX: ActivationPair(_softmax, _logarithms),
    Activation.IDENTITY: ActivationPair(_same, _same),
}
