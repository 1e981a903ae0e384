"""What a loss is, and from a study to its loss."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from wardround.engine.parts import Kind
from wardround.engine.sampling.types import Batch
from wardround.engine.study import Study


class Loss(Protocol):
    """One number per sample, so that a loss can be averaged, weighted or clipped by sample or by patient."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 losses of the network's logits, on their device; the batch lies on the same device."""
        ...


def build_loss(study: Study) -> Loss:
    """The loss that the study names, with its parameters."""
    use = study.training.loss
    loss: Loss = use.part(Kind.LOSS).load()(use.parameters)
    return loss
