"""What a loss is, and from a study to its loss."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from wardround.engine.losses.derived import derived
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study


class Loss(Protocol):
    """One number per sample, so that a loss can be averaged, weighted or clipped by sample or by patient."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 losses of the network's logits, on their device; the batch lies on the same device."""
        ...


def build_loss(study: Study) -> Loss:
    """The loss that the study names, with its parameters."""
    use = study.training.loss
    loss: Loss = use.part(Kind.LOSS).make(use.parameters)
    return loss


def _single(truth: Tensor) -> Tensor:
    """Numbers as a loss takes them, which are float64 in the unit of the table."""
    return truth.float() if truth.is_floating_point() else truth


def losses_of(study: Study, loss: Loss, outputs: Tensor, batch: Batch) -> Tensor:
    """The study's loss of outputs, one number per sample. A loss that fails, or gives something else, is told as its
    package's. Regions and voxels to ignore are read from the batch's mask here (`derived`)."""
    learnt = derived(study, batch).with_truth(_single)
    with answering(study.training.loss.part(Kind.LOSS).owner):
        found: object = loss(outputs, learnt)
        expected = f"one number per sample, in a tensor of shape ({len(outputs)},)"
        if not isinstance(found, Tensor):
            raise BreachError(f"a {type(found).__name__}", expected)
        if found.shape != (len(outputs),) or not found.is_floating_point():
            raise BreachError(f"{found.dtype} of shape {tuple(found.shape)}", expected)
        if torch.is_grad_enabled() and outputs.requires_grad and not found.requires_grad:
            raise BreachError("numbers without a gradient", "a loss that can be differentiated")
        return found
