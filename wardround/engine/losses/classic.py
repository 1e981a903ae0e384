"""Soft Dice with cross-entropy, and cross-entropy alone.

Both compute in float32, also under autocast, and by sums over one-hot truths: torch's own negative log-likelihood over
grids has no deterministic kernel on CUDA.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from wardround.engine.losses.bycase import CaseCrossEntropy, CaseDiceCE
from wardround.engine.parts.losses import CrossEntropy, DiceCE
from wardround.engine.sampling.batch import Batch


class CrossEntropyLoss:
    """Cross-entropy -sum_k w_k q_k log p_k of softmax p, the mean over a sample's voxels, or the sample's own.

    q is the one-hot truth, mixed with the uniform distribution by `label_smoothing` (Szegedy et al. 2016); w are the
    class weights. The mean is not divided by the sum of weights, so that a sample's loss never depends on the others.
    """

    def __init__(self, parameters: CrossEntropy) -> None:
        self._parameters = parameters
        self._smoothing = parameters.label_smoothing
        self._weights = parameters.class_weights

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 of logits (samples, classes, *grid) or (samples, classes)."""
        with _full_precision(outputs):
            logits = _flat(outputs)
            classes = logits.shape[1]
            target = one_hot(_truth(outputs, batch), classes) * (1 - self._smoothing) + self._smoothing / classes
            if self._weights is not None:
                target = target * _on(logits.device, self._weights)
            return _cross_entropy(logits, target)

    def of_case(self) -> CaseCrossEntropy:
        """The same loss of one case, piece by piece."""
        return CaseCrossEntropy(self._parameters)


class DiceCELoss:
    """Soft Dice loss plus cross-entropy (Isensee et al. 2021), each with its weight.

    Dice of one sample and class: (2 sum(p q) + s) / (sum(p) + sum(q) + s) over the sample's voxels, with softmax p and
    one-hot truth q; the loss is one minus its mean over the foreground classes (and the background, if included). A
    class that a sample lacks counts with q = 0.
    """

    def __init__(self, parameters: DiceCE) -> None:
        self._parameters = parameters

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 of logits (samples, classes, *grid)."""
        parameters = self._parameters
        with _full_precision(outputs):
            logits = _flat(outputs)
            target = one_hot(_truth(outputs, batch), logits.shape[1])
            dice = _soft_dice(logits.softmax(dim=1), target, parameters.smooth)
            scored = dice if parameters.include_background else dice[:, 1:]
            dice_loss = 1 - scored.mean(dim=1)
            return parameters.dice_weight * dice_loss + parameters.ce_weight * _cross_entropy(logits, target)

    def of_case(self) -> CaseDiceCE:
        """The same loss of one case, piece by piece."""
        return CaseDiceCE(self._parameters)


def one_hot(truth: Tensor, classes: int) -> Tensor:
    """(samples, classes, voxels) float32 of class indices (samples, *grid); a target without a grid is one voxel."""
    indices = torch.arange(classes, device=truth.device).unsqueeze(-1)
    return (truth.reshape(len(truth), 1, -1) == indices).float()


@lru_cache(maxsize=16)
def _on(device: torch.device, weights: tuple[float, ...]) -> Tensor:
    """(classes, 1) weights, moved to a device once: a copy in every step would wait for the step before."""
    return torch.tensor(weights, device=device).unsqueeze(-1)


def _truth(outputs: Tensor, batch: Batch) -> Tensor:
    """The truth that fits the outputs: masks for dense ones, categories for vectors."""
    name = "mask" if outputs.ndim > 2 else "category"
    if name not in batch.truth:
        raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with a {name}")
    return batch.truth[name]


def _flat(outputs: Tensor) -> Tensor:
    return outputs.float().reshape(*outputs.shape[:2], -1)


def _full_precision(outputs: Tensor) -> torch.autocast:
    return torch.autocast(outputs.device.type, enabled=False)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(logits.log_softmax(dim=1) * target).sum(dim=1).mean(dim=1)


def _soft_dice(probabilities: Tensor, target: Tensor, smooth: float) -> Tensor:
    overlap, total = (probabilities * target).sum(dim=2), (probabilities + target).sum(dim=2)
    return (2 * overlap + smooth) / (total + smooth)
