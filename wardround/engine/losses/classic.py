"""Soft Dice with cross-entropy, and cross-entropy alone.

Both compute in float32, also under autocast, and by sums over one-hot truths: torch's own negative log-likelihood over
grids has no deterministic kernel on CUDA.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses.bycase import CaseCrossEntropy, CaseDiceCE
from wardround.engine.parts.losses import CrossEntropy, DiceCE
from wardround.engine.sampling.batch import Batch


class CrossEntropyLoss:
    """Cross-entropy -sum_k w_k q_k log p_k of softmax p, the mean over a sample's voxels, or the sample's own.

    q is the one-hot truth, mixed with the uniform distribution by `label_smoothing` (Szegedy et al. 2016); w are the
    class weights. The mean is not divided by the sum of weights, so that a sample's loss never depends on the others.
    Of regions that overlap each is there or not: the binary cross-entropy of sigmoid p, the mean over the regions.
    """

    def __init__(self, parameters: CrossEntropy) -> None:
        self._parameters = parameters
        self._smoothing = parameters.label_smoothing
        self._weights = parameters.class_weights

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 of logits (samples, classes, *grid) or (samples, classes)."""
        with _full_precision(outputs):
            dense = Dense.of(outputs, batch)
            weights = None if self._weights is None else _on(outputs.device, self._weights)
            return dense.mean(dense.cross_entropy(self._smoothing, weights))

    def of_case(self) -> CaseCrossEntropy:
        """The same loss of one case, piece by piece."""
        return CaseCrossEntropy(self._parameters)


class DiceCELoss:
    """Soft Dice loss plus cross-entropy (Isensee et al. 2021), each with its weight.

    Dice of one sample and class: (2 sum(p q) + s) / (sum(p) + sum(q) + s) over the sample's voxels, with softmax p and
    one-hot truth q; the loss is one minus its mean over the foreground classes (and the background, if included). A
    class that a sample lacks counts with q = 0. Of regions that overlap all are scored, with sigmoid p.
    """

    def __init__(self, parameters: DiceCE) -> None:
        self._parameters = parameters

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32 of logits (samples, classes, *grid)."""
        parameters = self._parameters
        with _full_precision(outputs):
            dense = Dense.of(outputs, batch)
            dice = _soft_dice(dense.counted(dense.probabilities), dense.counted(dense.target), parameters.smooth)
            scored = dice if parameters.include_background or dense.overlaps else dice[:, 1:]
            entropy = dense.mean(dense.cross_entropy())
            return parameters.dice_weight * (1 - scored.mean(dim=1)) + parameters.ce_weight * entropy

    def of_case(self) -> CaseDiceCE:
        """The same loss of one case, piece by piece."""
        return CaseDiceCE(self._parameters)


@dataclass(frozen=True)
class Dense:
    """Outputs and their truth, voxel by voxel.

    Attributes:
        logits: (samples, outputs, voxels) float32.
        target: of the same shape, 1 for the class of a voxel, or for every region in which it lies.
        valid: (samples, voxels) float32, 0 for voxels that do not count; None where all do.
        overlaps: whether outputs are regions, each with a probability of its own.
    """

    logits: Tensor
    target: Tensor
    valid: Tensor | None
    overlaps: bool

    @classmethod
    def of(cls, outputs: Tensor, batch: Batch) -> Dense:
        """Those of a batch that has `regions`, a `mask` or a `category`, and `valid` where some voxels do not count."""
        logits, valid = _flat(outputs), batch.truth.get("valid")
        counting = None if valid is None else valid.reshape(len(valid), -1).float()
        if "regions" in batch.truth:
            return cls(logits, _flat(batch.truth["regions"]), counting, overlaps=True)
        return cls(logits, one_hot(_truth(outputs, batch), logits.shape[1]), counting, overlaps=False)

    @property
    def probabilities(self) -> Tensor:
        """Of each class, which sum to one, or of each region."""
        return self.logits.sigmoid() if self.overlaps else self.logits.softmax(dim=1)

    def cross_entropy(self, smoothing: float = 0.0, weights: Tensor | None = None) -> Tensor:
        """(samples, voxels); `weights` are (outputs, 1)."""
        ways = 2 if self.overlaps else self.logits.shape[1]
        target = self.target * (1 - smoothing) + smoothing / ways if smoothing else self.target
        if self.overlaps:
            each = functional.binary_cross_entropy_with_logits(self.logits, target, reduction="none")
            return (each if weights is None else each * weights).mean(dim=1)
        return -(self.logits.log_softmax(dim=1) * (target if weights is None else target * weights)).sum(dim=1)

    def counted(self, values: Tensor) -> Tensor:
        """(samples, outputs, voxels) values, 0 where a voxel does not count."""
        return values if self.valid is None else values * self.valid.unsqueeze(1)

    def mean(self, values: Tensor) -> Tensor:
        """(samples,) means of (samples, voxels) over the voxels that count; 0 where none does."""
        if self.valid is None:
            return values.mean(dim=1)
        return (values * self.valid).sum(dim=1) / self.valid.sum(dim=1).clamp_min(1)


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


def _soft_dice(probabilities: Tensor, target: Tensor, smooth: float) -> Tensor:
    overlap, total = (probabilities * target).sum(dim=2), (probabilities + target).sum(dim=2)
    return (2 * overlap + smooth) / (total + smooth)
