"""Losses of overlap, which follow from sums over a sample's voxels by class.

p is the prediction (softmax of classes, or sigmoid of regions), q the truth; o = sum(p q), P = sum(p), T = sum(q). A
class that a sample lacks counts with q = 0, save where it is said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wardround.engine.losses.sums import Sums, SumsLoss
from wardround.engine.parts.losses.overlap import (
    MCC,
    Dice,
    DiceLog,
    FocalTversky,
    GeneralizedDice,
    Jaccard,
    MCCLog,
    Tversky,
)

_ROOT_FLOOR = 1e-7
"""Below it a power between 0 and 1 has a slope that no step survives."""


class SoftDice(SumsLoss):
    """1 - (2 o + s) / (P + T + s), the mean over the classes (Milletari et al. 2016); P sums squares if so set."""

    def __init__(
        self, smooth: float, include_background: bool, *, squared: bool = False, whole_batch: bool = False
    ) -> None:
        self._smooth, self._include_background = smooth, include_background
        self.power, self.whole_batch = 2 if squared else 1, whole_batch

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        return 1 - self.coefficients(sums).mean(dim=1)

    def coefficients(self, sums: Sums) -> Tensor:
        """(samples, scored classes) soft Dice."""
        both, smooth = 2 * sums.both, self._smooth
        dice = (both + smooth) / (sums.predicted + sums.true + smooth)
        return sums.scored(dice, self._include_background)


class DiceLoss(SoftDice):
    """Soft Dice alone."""

    def __init__(self, parameters: Dice) -> None:
        super().__init__(
            parameters.smooth,
            parameters.include_background,
            squared=parameters.squared,
            whole_batch=parameters.batch,
        )


class DiceLogLoss(SoftDice):
    """-log of soft Dice, the mean over the classes (Wong et al. 2018): small structures pull harder."""

    def __init__(self, parameters: DiceLog) -> None:
        super().__init__(parameters.smooth, parameters.include_background)

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        return -self.coefficients(sums).log().mean(dim=1)


class GeneralizedDiceLoss(SumsLoss):
    """1 - (2 sum_k w_k o_k + s) / (sum_k w_k (P_k + T_k) + s) with w_k = 1 / T_k^2 (Sudre et al. 2017).

    The weights are divided by the largest of the sample, so that s stays small beside them. A class that the sample
    lacks, whose weight would be infinite, has the largest of the others.
    """

    def __init__(self, parameters: GeneralizedDice) -> None:
        self._smooth, self._include_background = parameters.smooth, parameters.include_background
        self._exponent = {"square": 2, "simple": 1, "uniform": 0}[parameters.weight]

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        both, predicted, true = (
            sums.scored(each, self._include_background) for each in (sums.both, sums.predicted, sums.true)
        )
        weights = self._weights(true)
        overlap, total = (weights * both).sum(dim=1), (weights * (predicted + true)).sum(dim=1)
        return 1 - (2 * overlap + self._smooth) / (total + self._smooth)

    def _weights(self, true: Tensor) -> Tensor:
        """(samples, classes), the largest 1."""
        known = torch.where(true > 0, true, torch.inf)
        least = known.amin(dim=1, keepdim=True)
        return torch.where(true > 0, least / known, 1).pow(self._exponent)


class TverskyLoss(SumsLoss):
    """1 - (o + s) / (o + a (P - o) + b (T - o) + s), the mean over the classes (Salehi et al. 2017)."""

    def __init__(self, parameters: Tversky) -> None:
        self._parameters = parameters

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        return self.by_class(sums).mean(dim=1)

    def by_class(self, sums: Sums) -> Tensor:
        """(samples, scored classes)."""
        given, both = self._parameters, sums.both
        wrong = given.alpha * (sums.predicted - both) + given.beta * (sums.true - both)
        return 1 - sums.scored((both + given.smooth) / (both + wrong + given.smooth), given.include_background)


class FocalTverskyLoss(TverskyLoss):
    """(1 - T)^g of Tversky's index T, the mean over the classes (Abraham & Khan 2019, where g is 1 / gamma)."""

    def __init__(self, parameters: FocalTversky) -> None:
        super().__init__(parameters)
        self._exponent = parameters.exponent

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        return self.by_class(sums).clamp_min(_ROOT_FLOOR).pow(self._exponent).mean(dim=1)


class JaccardLoss(SumsLoss):
    """1 - (o + s) / (P + T - o + s), the mean over the classes (Rahman & Wang 2016)."""

    def __init__(self, parameters: Jaccard) -> None:
        self._parameters = parameters

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        given = self._parameters
        index = (sums.both + given.smooth) / (sums.predicted + sums.true - sums.both + given.smooth)
        return 1 - sums.scored(index, given.include_background).mean(dim=1)


class MCCLoss(SumsLoss):
    """1 - MCC, the mean over the classes that some voxel of the sample has and another lacks; 0 where there is none
    (Abhishek & Hamarneh 2021).

    MCC is the covariance of p and q over sqrt(var p var q + (s / n)^2), for n voxels and var x = m (1 - m) of the mean
    m of x.
    """

    def __init__(self, parameters: MCC) -> None:
        self._parameters = parameters

    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,)."""
        voxels = sums.voxels.clamp_min(1)
        predicted, true = sums.predicted / voxels, sums.true / voxels
        spread = predicted * (1 - predicted) * (true * (1 - true)) + (self._parameters.smooth / voxels).square()
        found = self.cost((sums.both / voxels - predicted * true) / spread.clamp_min(0).sqrt())
        defined = ((sums.true > 0) & (sums.true < sums.voxels)).to(found.dtype)
        found, defined = (sums.scored(each, self._parameters.include_background) for each in (found, defined))
        return (found * defined).sum(dim=1) / defined.sum(dim=1).clamp_min(1)

    def cost(self, coefficients: Tensor) -> Tensor:
        """What a coefficient between -1 and 1 costs."""
        return 1 - coefficients


class MCCLogLoss(MCCLoss):
    """-log((1 + MCC) / 2), which is defined for negative coefficients too."""

    def __init__(self, parameters: MCCLog) -> None:
        super().__init__(parameters)

    def cost(self, coefficients: Tensor) -> Tensor:
        """0 at 1; large towards -1, where the slope is kept finite."""
        return -((1 + coefficients) / 2).clamp_min(_ROOT_FLOOR).log()
