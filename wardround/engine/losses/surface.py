"""Losses by distance from a boundary in mm, beside soft Dice. They take a whole case at once."""

from __future__ import annotations

from torch import Tensor

from wardround.engine.losses.added import AddedLoss
from wardround.engine.losses.distances import boundary_distances, signed_distances
from wardround.engine.losses.overlap import SoftDice
from wardround.engine.losses.reading import Reading, ReadLoss
from wardround.engine.parts.losses.surface import Boundary, Hausdorff


class BoundaryTerm(ReadLoss):
    """p_k f_k, the mean over voxels and scored classes, of the signed distance f_k to the true boundary of a class
    (Kervadec et al. 2019)."""

    def __init__(self, include_background: bool) -> None:
        self._include_background = include_background

    def of(self, reading: Reading) -> Tensor:
        """(samples,)."""
        p, q = (_scored(reading, each, self._include_background) for each in (reading.probabilities(), reading.target))
        distances = signed_distances(reading.on_grid(q) > 0.5, reading.spacings).reshape(q.shape)
        return reading.mean(_by_class(p * distances))


class HausdorffTerm(ReadLoss):
    """(p_k - q_k)^2 (d_k^a + e_k^a), the mean over voxels and scored classes, of the distances d_k to the true boundary
    and e_k to that of the prediction, which is where p_k is above a half (Karimi & Salcudean 2019)."""

    def __init__(self, exponent: float, include_background: bool) -> None:
        self._exponent, self._include_background = exponent, include_background

    def of(self, reading: Reading) -> Tensor:
        """(samples,)."""
        p, q = (_scored(reading, each, self._include_background) for each in (reading.probabilities(), reading.target))
        weights = self._weights(reading, p.detach()) + self._weights(reading, q)
        return reading.mean(_by_class((p - q).square() * weights))

    def _weights(self, reading: Reading, values: Tensor) -> Tensor:
        """Powers of the distance to the boundary of what lies above a half."""
        distances = boundary_distances(reading.on_grid(values) > 0.5, reading.spacings)
        return distances.reshape(values.shape).pow(self._exponent)


class BoundaryLoss(AddedLoss):
    """Soft Dice plus the boundary loss."""

    def __init__(self, parameters: Boundary) -> None:
        dice = SoftDice(parameters.smooth, parameters.include_background)
        term = BoundaryTerm(parameters.include_background)
        super().__init__(dice, term, (parameters.dice_weight, parameters.boundary_weight))


class HausdorffLoss(AddedLoss):
    """Soft Dice plus the Hausdorff loss."""

    def __init__(self, parameters: Hausdorff) -> None:
        dice = SoftDice(parameters.smooth, parameters.include_background)
        term = HausdorffTerm(parameters.exponent, parameters.include_background)
        super().__init__(dice, term, (parameters.dice_weight, parameters.hausdorff_weight))


def _scored(reading: Reading, values: Tensor, include_background: bool) -> Tensor:
    return values if include_background else reading.over_classes(values)


def _by_class(values: Tensor) -> Tensor:
    """(samples, 1, voxels) mean over the classes."""
    return values.mean(dim=1, keepdim=True)
