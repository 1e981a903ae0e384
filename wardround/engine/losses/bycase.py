"""The loss of a whole case, piece by piece: equal to the loss of the volume, without a one-hot or a logit of it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from wardround.engine.parts.losses import CrossEntropy, DiceCE


class CaseLoss(Protocol):
    """Takes a case's voxels in pieces, then says its loss."""

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Some voxels that count: (voxels, classes) float32 probabilities and (voxels,) int64 classes, on the CPU; or
        (voxels, regions) probabilities and as many float32 truths, 1 where a voxel lies in a region."""

    def value(self) -> float:
        """The loss of all that was added: the study's loss of the logarithms of the probabilities."""


@runtime_checkable
class ByCase(Protocol):
    """A loss that can be taken piece by piece. One that cannot is given the whole volume."""

    def of_case(self) -> CaseLoss:
        """Begin a case."""


class CaseCrossEntropy:
    """Cross-entropy from sums over voxels.

    The softmax of the logarithms of p is p / sum(p), so no exponential is needed, and one logarithm per voxel where
    labels are not smoothed.
    """

    def __init__(self, parameters: CrossEntropy) -> None:
        self._smoothing, weights = parameters.label_smoothing, parameters.class_weights
        self._weights = None if weights is None else torch.tensor(weights)
        self._sum, self._voxels = 0.0, 0

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Sum over some voxels."""
        self._voxels += len(truth)
        if truth.ndim > 1:
            self._sum += _sum(binary_entropy(probabilities, truth, self._smoothing, self._weights))
            return
        shares = normalised(probabilities)
        chosen = -shares.gather(1, truth.unsqueeze(1)).squeeze(1).log()
        if self._weights is not None:
            chosen *= self._weights[truth]
        total = (1 - self._smoothing) * _sum(chosen)
        if self._smoothing:
            every = -shares.log()
            weighted = every if self._weights is None else every * self._weights
            total += self._smoothing / shares.shape[1] * _sum(weighted)
        self._sum += total

    def value(self) -> float:
        """The mean over the voxels; 0 where none counts."""
        return self._sum / max(1, self._voxels)


class CaseDiceCE:
    """Soft Dice with cross-entropy from sums per class."""

    def __init__(self, parameters: DiceCE) -> None:
        self._parameters = parameters
        self._entropy, self._voxels, self._is_scored_whole = 0.0, 0, False
        self._overlap: Tensor | float = 0.0
        self._total: Tensor | float = 0.0

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Sums over some voxels: of the probabilities of each class, and of those where the class is the truth."""
        self._voxels += len(truth)
        if truth.ndim > 1:
            self._overlap = self._overlap + (probabilities * truth).sum(dim=0, dtype=torch.float64)
            self._total = self._total + (probabilities + truth).sum(dim=0, dtype=torch.float64)
            self._entropy += _sum(binary_entropy(probabilities, truth))
            self._is_scored_whole = True
            return
        shares, classes = normalised(probabilities), probabilities.shape[1]
        chosen = shares.gather(1, truth.unsqueeze(1)).squeeze(1)
        self._overlap = self._overlap + torch.bincount(truth, chosen.double(), minlength=classes)
        predicted = shares.sum(dim=0, dtype=torch.float64)
        self._total = self._total + predicted + torch.bincount(truth, minlength=classes)
        self._entropy -= _sum(chosen.log())

    def value(self) -> float:
        """One minus the mean Dice of the scored classes, and the mean cross-entropy, each with its weight."""
        parameters = self._parameters
        dice = (2 * self._overlap + parameters.smooth) / (self._total + parameters.smooth)
        whole = parameters.include_background or self._is_scored_whole
        scored = torch.as_tensor(dice if whole else torch.as_tensor(dice)[1:])
        entropy = self._entropy / max(1, self._voxels)
        return parameters.dice_weight * (1 - float(scored.mean())) + parameters.ce_weight * entropy


def normalised(probabilities: Tensor) -> Tensor:
    """(voxels, classes) that sum to one, none of them zero: blended windows leave rounding errors."""
    raised = probabilities.clamp_min(torch.finfo(torch.float32).tiny)
    return raised / raised.sum(dim=1, keepdim=True)


def binary_entropy(
    probabilities: Tensor, truth: Tensor, smoothing: float = 0.0, weights: Tensor | None = None
) -> Tensor:
    """(voxels,) cross-entropies of (voxels, regions) that are each there or not, the mean over the regions.

    What is 0 or 1 becomes the nearest number of which a logarithm can be taken.
    """
    kind = torch.finfo(torch.float32)
    sure, wanted = probabilities.clamp(kind.tiny, 1 - kind.eps / 2), truth * (1 - smoothing) + smoothing / 2
    entropy = -(wanted * sure.log() + (1 - wanted) * torch.log1p(-sure))
    return (entropy if weights is None else entropy * weights).mean(dim=1)


def _sum(values: Tensor) -> float:
    return float(values.sum(dtype=torch.float64))
