"""Losses that each voxel has by itself, or each case without a grid: entropies, focal, top k, divergence."""

from __future__ import annotations

import torch
from torch import Tensor

from wardround.engine.losses.classic import CrossEntropyLoss, on_device, smoothed
from wardround.engine.losses.means import MeanLoss
from wardround.engine.losses.reading import Reading, ReadLoss
from wardround.engine.parts.losses.classic import CrossEntropy
from wardround.engine.parts.losses.entropy import BCE, KLD, Focal, TopK

_FLOOR = 1e-7


class BCELoss(MeanLoss):
    """Binary cross-entropy -(w_k q_k log p_k + (1 - q_k) log(1 - p_k)), the mean over outputs and voxels.

    Of a softmax p_k is that of class k against all others together.
    """

    def __init__(self, parameters: BCE) -> None:
        self._smoothing, self._weights = parameters.label_smoothing, parameters.positive_weights

    def at_voxels(self, reading: Reading) -> Tensor:
        """(samples, outputs, voxels)."""
        target = reading.target * (1 - self._smoothing) + self._smoothing / 2
        present = target * reading.logarithms()
        if self._weights is not None:
            present = present * on_device(present.device, self._weights)
        return -(present + (1 - target) * reading.complements())


class FocalLoss(MeanLoss):
    """Focal loss (Lin et al. 2017), the mean over voxels: what is right already counts little.

    Of classes -sum_k w_k q_k (1 - p_k)^g log p_k. Of regions and labels the mean over them of
    -(w_k q_k (1 - p_k)^g log p_k + (1 - q_k) p_k^g log(1 - p_k)).
    """

    def __init__(self, parameters: Focal) -> None:
        self._gamma, self._weights = parameters.gamma, parameters.class_weights

    def at_voxels(self, reading: Reading) -> Tensor:
        """(samples, 1 or outputs, voxels)."""
        logarithms, target = reading.logarithms(), reading.target
        present = target * self._modulated(logarithms)
        if self._weights is not None:
            present = present * on_device(present.device, self._weights)
        if reading.exclusive:
            return present.sum(dim=1, keepdim=True)
        return present + (1 - target) * self._modulated(reading.complements())

    def _modulated(self, logarithms: Tensor) -> Tensor:
        """-(1 - p)^g log p, whose slope stays finite for g below 1."""
        return -(-torch.expm1(logarithms)).clamp_min(_FLOOR).pow(self._gamma) * logarithms


class TopKLoss(ReadLoss):
    """Cross-entropy over the part of a sample's voxels where it is greatest, as nnU-Net has it (Wu et al. 2016)."""

    def __init__(self, parameters: TopK) -> None:
        self._fraction = parameters.fraction
        self._entropy = CrossEntropyLoss(CrossEntropy(label_smoothing=parameters.label_smoothing))

    def of(self, reading: Reading) -> Tensor:
        """(samples,) means over the greatest; those that equal the least of them share its place."""
        values = self._entropy.at_voxels(reading).mean(dim=1)
        counted = torch.ones_like(values, dtype=torch.bool)
        if reading.counted is not None:
            counted = reading.counted.any(dim=1).expand_as(values)
        ranked = torch.where(counted, values, -torch.inf).detach()
        many = (counted.sum(dim=1, keepdim=True).double() * self._fraction).floor().clamp_min(1).long()
        most = max(1, int(values.shape[1] * self._fraction))
        least = ranked.topk(most, dim=1).values.gather(1, many - 1)
        above, equal = (ranked > least) & counted, (ranked == least) & counted
        share = (many - above.sum(dim=1, keepdim=True)) / equal.sum(dim=1, keepdim=True).clamp_min(1)
        weights = above.to(values.dtype) + equal * share
        return (torch.where(counted, values, 0) * weights).sum(dim=1) / many.squeeze(1)


class KLDLoss(MeanLoss):
    """Kullback-Leibler divergence of the prediction from the truth, sum_k q_k (log q_k - log p_k) (Kullback & Leibler
    1951), the mean over voxels. The truth is mixed with an even one by `label_smoothing`; of regions and labels it is
    that of each from its own, the mean over them."""

    def __init__(self, parameters: KLD) -> None:
        self._smoothing = parameters.label_smoothing

    def at_voxels(self, reading: Reading) -> Tensor:
        """(samples, 1 or outputs, voxels)."""
        target = smoothed(reading, self._smoothing)
        present = _xlogx(target) - target * reading.logarithms()
        if reading.exclusive:
            return present.sum(dim=1, keepdim=True)
        return present + _xlogx(1 - target) - (1 - target) * reading.complements()


def _xlogx(values: Tensor) -> Tensor:
    return torch.xlogy(values, values)
