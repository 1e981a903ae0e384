"""Metrics of lesions: parts of a class that hang together, counted one by one. Imports no torch.

A class that is scattered, such as metastases, has a Dice that its largest part decides. Here each lesion counts alike,
as in the BraTS challenges since 2023: lesions of the truth are its voxels that hang together by faces, edges or corners
once it is widened by `distance`; a part of the prediction belongs to each lesion which it touches, so widened; one that
touches none was invented.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from wardround.engine.metrics.comparison import Comparison, Mask
from wardround.engine.metrics.segmentation import ComparedMetric
from wardround.engine.parts.metrics.lesions import Lesions


@dataclass(frozen=True)
class Matched:
    """The lesions of a case, and what was predicted of them.

    Attributes:
        dice: of each lesion of the truth with all that belongs to it; 0 of one that is missed.
        invented: parts of the prediction that belong to no lesion.
    """

    dice: np.ndarray
    invented: int

    @property
    def missed(self) -> int:
        """Lesions on which nothing of the prediction lies."""
        return int(np.count_nonzero(self.dice == 0))


class LesionMetric(ComparedMetric):
    """One that counts lesions."""

    def __init__(self, parameters: Lesions) -> None:
        super().__init__(parameters)
        self._distance, self._least = parameters.distance, parameters.least_volume

    def _least_voxels(self, comparison: Comparison) -> float:
        return max(1.0, self._least / math.prod(comparison.spacing))


class MatchedMetric(LesionMetric):
    """One that finds out which part of the prediction belongs to which lesion."""

    def score(self, comparison: Comparison, name: str) -> float | None:
        """None where nothing is left of the truth's lesions and nothing was invented."""
        found, expected = comparison.masks(name)
        least = self._least_voxels(comparison)
        matched = match(found, expected, comparison.spacing, self._distance, least)
        return self.of(matched) if len(matched.dice) or matched.invented else None

    @abstractmethod
    def of(self, matched: Matched) -> float:
        """From lesions, of which there is one at least, or something was invented."""


class LesionDiceMetric(MatchedMetric):
    """Mean Dice over the lesions of the truth and over what was invented, which counts 0 (BraTS 2023), in 0 to 1."""

    name = "lesion_dice"

    def of(self, matched: Matched) -> float:
        """0 where every lesion is missed."""
        return float(matched.dice.sum() / (len(matched.dice) + matched.invented))


class LesionF1Metric(MatchedMetric):
    """2 TP / (2 TP + FP + FN) of lesions: found where something predicted lies on them, missed, and invented."""

    name = "lesion_f1"

    def of(self, matched: Matched) -> float:
        """0 where no lesion is found."""
        right = len(matched.dice) - matched.missed
        return 2 * right / (2 * right + matched.invented + matched.missed)


class LesionCountErrorMetric(LesionMetric):
    """Absolute difference between the numbers of lesions in prediction and truth, counted alike."""

    name = "lesion_count_error"

    def score(self, comparison: Comparison, name: str) -> float | None:
        """None where all are too small."""
        least = self._least_voxels(comparison)
        found, expected = (
            len(_lesions(mask, comparison.spacing, self._distance, least)) for mask in comparison.masks(name)
        )
        return float(abs(found - expected)) if found or expected else None


def match(found: Mask, expected: Mask, spacing: tuple[float, ...], distance: float, least: float) -> Matched:
    """Lesions of `expected` with at least `least` voxels, and what of `found` belongs to them, widened by `distance`.

    Parts of the prediction that touch a smaller lesion alone are neither right nor wrong.
    """
    zones, many = _zones(expected, spacing, distance)
    parts, predicted = ndimage.label(found, _neighbours(found))
    sizes = np.bincount(zones[expected], minlength=many + 1)
    on_lesions = np.bincount(zones[expected & found], minlength=many + 1)
    touching = np.unique(np.stack([zones[found], parts[found]]), axis=1)
    touching = touching[:, touching[0] > 0]
    of_parts = np.bincount(parts[found], minlength=predicted + 1)
    belonging = np.bincount(touching[0], weights=of_parts[touching[1]], minlength=many + 1)
    dice = 2 * on_lesions[1:] / (sizes[1:] + belonging[1:])
    return Matched(dice[sizes[1:] >= least], predicted - len(np.unique(touching[1])))


def _lesions(mask: Mask, spacing: tuple[float, ...], distance: float, least: float) -> np.ndarray:
    """The voxels of each lesion that is large enough."""
    zones, many = _zones(mask, spacing, distance)
    sizes = np.bincount(zones[mask], minlength=many + 1)[1:]
    return sizes[sizes >= least]


def _zones(mask: Mask, spacing: tuple[float, ...], distance: float) -> tuple[np.ndarray, int]:
    """Each voxel within `distance` mm of a mask with the number of its lesion, from 1; and how many there are."""
    if distance and mask.any():
        mask = np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) <= distance)
    zones, many = ndimage.label(mask, _neighbours(mask))
    return zones, int(many)


def _neighbours(mask: Mask) -> np.ndarray:
    """By faces, edges and corners."""
    return np.ones((3,) * mask.ndim, dtype=bool)
