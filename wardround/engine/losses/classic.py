"""Soft Dice with cross-entropy, and cross-entropy alone.

Both compute in float32, also under autocast, and by sums over one-hot truths: torch's own negative log-likelihood over
grids has no deterministic kernel on CUDA.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from wardround.engine.losses.added import AddedByCase
from wardround.engine.losses.bycase import Piece, Tally
from wardround.engine.losses.means import MeanLoss
from wardround.engine.losses.overlap import SoftDiceTerm
from wardround.engine.losses.reading import Reading, one_hot
from wardround.engine.parts.losses import CrossEntropy, DiceCE

__all__ = ["CrossEntropyLoss", "DiceCELoss", "one_hot"]


class CrossEntropyLoss(MeanLoss):
    """Cross-entropy, the mean over a sample's voxels, or the sample's own.

    Of classes -sum_k w_k q_k log p_k of softmax p: q is the one-hot truth, mixed with the uniform distribution by
    `label_smoothing` (Szegedy et al. 2016); w are the class weights. Of regions and labels the mean over them of
    -w_k (q_k log p_k + (1 - q_k) log(1 - p_k)) of sigmoid p, with q mixed with a half. The mean is not divided by the
    sum of weights, so that a sample's loss never depends on the others.
    """

    def __init__(self, parameters: CrossEntropy) -> None:
        self._parameters = parameters
        self._smoothing = parameters.label_smoothing
        self._weights = parameters.class_weights

    def at_voxels(self, reading: Reading) -> Tensor:
        """(samples, 1 or outputs, voxels)."""
        target = smoothed(reading, self._smoothing)
        if not reading.exclusive:
            return self._weighted(-(target * reading.logarithms() + (1 - target) * reading.complements()))
        return -(reading.logarithms() * self._weighted(target)).sum(dim=1, keepdim=True)

    def tally(self) -> Tally:
        """Begin a case."""
        return CaseCrossEntropy(self, self._parameters)

    def _weighted(self, values: Tensor) -> Tensor:
        return values if self._weights is None else values * on_device(values.device, self._weights)


class CaseCrossEntropy:
    """Cross-entropy from sums over voxels.

    The softmax of the logarithms of p is p / sum(p), so no exponential is needed, and one logarithm per voxel where
    labels are not smoothed.
    """

    def __init__(self, loss: CrossEntropyLoss, parameters: CrossEntropy) -> None:
        self._loss, self._smoothing, weights = loss, parameters.label_smoothing, parameters.class_weights
        self._weights = None if weights is None else torch.tensor(weights)
        self._sum, self._voxels = 0.0, 0

    def take(self, piece: Piece) -> None:
        """Sum over some voxels."""
        total = self._of_classes(piece) if piece.exclusive else self._of_regions(piece)
        self._sum, self._voxels = self._sum + total, self._voxels + len(piece.truth)

    def value(self) -> float:
        """The mean over the voxels; 0 of none."""
        return self._sum / max(self._voxels, 1)

    def _of_regions(self, piece: Piece) -> float:
        return float(self._loss.of(piece.reading())) * len(piece.truth)

    def _of_classes(self, piece: Piece) -> float:
        shares, truth = piece.shares, piece.truth
        chosen = -shares.gather(1, truth.unsqueeze(1)).squeeze(1).log()
        if self._weights is not None:
            chosen *= self._weights[truth]
        total = (1 - self._smoothing) * _sum(chosen)
        if self._smoothing:
            every = -shares.log()
            weighted = every if self._weights is None else every * self._weights
            total += self._smoothing / shares.shape[1] * _sum(weighted)
        return total


class DiceCELoss(AddedByCase):
    """Soft Dice loss plus cross-entropy (Isensee et al. 2021), each with its weight.

    Dice of one sample and class: (2 sum(p q) + s) / (sum(p) + sum(q) + s) over the sample's voxels, with softmax p and
    one-hot truth q; the loss is one minus its mean over the foreground classes (and the background, if included). A
    class that a sample lacks counts with q = 0. With `batch` the sums are over the voxels of all samples. Of regions
    that may overlap p is the sigmoid, and cross-entropy is the binary one, its mean over the regions.
    """

    def __init__(self, parameters: DiceCE) -> None:
        dice = SoftDiceTerm(parameters.smooth, parameters.include_background, whole_batch=parameters.batch)
        weights = parameters.dice_weight, parameters.ce_weight
        super().__init__(dice, CrossEntropyLoss(CrossEntropy()), weights)


def smoothed(reading: Reading, smoothing: float) -> Tensor:
    """The target, mixed with what would be true of every voxel alike: each class to the same part, or each region to a
    half."""
    even = reading.target.shape[1] if reading.exclusive else 2
    return reading.target * (1 - smoothing) + smoothing / even


@lru_cache(maxsize=16)
def on_device(device: torch.device, weights: tuple[float, ...]) -> Tensor:
    """(classes, 1) weights, moved to a device once: a copy in every step would wait for the step before."""
    # What is made while a validation infers could not be learned with afterwards.
    with torch.inference_mode(False):
        return torch.tensor(weights, device=device).unsqueeze(-1)


def _sum(values: Tensor) -> float:
    return float(values.sum(dtype=torch.float64))
