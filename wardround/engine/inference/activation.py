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
        outputs_of: predictions to outputs with the same loss; what is 0, or 1 of a sigmoid, becomes the nearest number
            of which a logarithm can be taken.
    """

    activate: Callable[[Tensor], Tensor]
    outputs_of: Callable[[Tensor], Tensor]


def _softmax(outputs: Tensor) -> Tensor:
    return outputs.softmax(dim=1)


def _logarithms(probabilities: Tensor) -> Tensor:
    return probabilities.clamp_min(torch.finfo(torch.float32).tiny).log()


def _log_odds(probabilities: Tensor) -> Tensor:
    """log p - log(1 - p), of the least and the most probable as far as float32 can tell them from 0 and from 1."""
    kind = torch.finfo(torch.float32)
    return probabilities.clamp(kind.tiny, 1 - kind.eps / 2).logit()


def _same(values: Tensor) -> Tensor:
    return values


ACTIVATIONS: Mapping[Activation, ActivationPair] = {
    Activation.SOFTMAX: ActivationPair(_softmax, _logarithms),
    Activation.SIGMOID: ActivationPair(torch.sigmoid, _log_odds),
    Activation.IDENTITY: ActivationPair(_same, _same),
}
