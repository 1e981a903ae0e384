"""Overlap and surface metrics of masks, per class. Imports no torch.

Where neither truth nor prediction has a class, its score is undefined and left out. Where only one has it, every metric
gives its worst value (for distances the diagonal of the image), save `specificity` and `volume_error`, which are
defined then, and `mcc`, which is 0: leaving such cases out would reward a network that misses.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from wardround.engine.metrics.comparison import Comparison, LabelComparison, Overlap, surface, surface_distances
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts import Parameters
from wardround.engine.parts.metrics.chosen import chosen_classes
from wardround.engine.parts.metrics.segmentation import NSD

__all__ = ["ComparedMetric", "DiceMetric", "HD95Metric", "NSDMetric", "surface", "surface_distances"]


_CENTIMETRE = 10.0
"""In mm."""


class ComparedMetric(ABC):
    """A metric of masks, one class after the other."""

    name: ClassVar[str]

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._chosen = chosen_classes(parameters)

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """The metric and, for each class, `<metric>.<class>`, of label maps."""
        return self.compare(LabelComparison(prediction, truth, spacing, class_names))

    def compare(self, comparison: Comparison) -> dict[str, float]:
        """The same of masks that are compared already: of classes, or of regions that overlap. The mean is that of the
        classes that the study chose for it; it is left out where none of them is defined."""
        found = {name: self.score(comparison, name) for name in comparison.present}
        scores = named_scores(self.name, {name: value for name, value in found.items() if value is not None})
        if not self._chosen:
            return scores
        chosen = [scores[each] for name in self._chosen if (each := f"{self.name}.{name}") in scores]
        scores.pop(self.name, None)
        return ({self.name: sum(chosen) / len(chosen)} if chosen else {}) | scores

    @abstractmethod
    def score(self, comparison: Comparison, name: str) -> float | None:
        """Of one class that prediction or truth has; None where it is undefined."""


class OverlapMetric(ComparedMetric):
    """One that follows from numbers of voxels."""

    def score(self, comparison: Comparison, name: str) -> float | None:
        """From the voxels of the class."""
        return self.rate(comparison.overlaps[name])

    @abstractmethod
    def rate(self, overlap: Overlap) -> float | None:
        """Of a class that prediction or truth has."""


class DiceMetric(OverlapMetric):
    """Dice similarity coefficient 2 |A and B| / (|A| + |B|) per class (Dice 1945), in 0 to 1."""

    name = "dice"

    def rate(self, overlap: Overlap) -> float:
        """0 where only one has the class."""
        return 2 * overlap.both / (overlap.found + overlap.expected)


class JaccardMetric(OverlapMetric):
    """Jaccard index |A and B| / |A or B| per class (Jaccard 1901), also called intersection over union; in 0 to 1."""

    name = "jaccard"

    def rate(self, overlap: Overlap) -> float:
        """0 where only one has the class."""
        return overlap.both / (overlap.found + overlap.expected - overlap.both)


class VolumeSimilarityMetric(OverlapMetric):
    """1 - ||A| - |B|| / (|A| + |B|) per class (Taha & Hanbury 2015): of sizes alone, wherever they lie; in 0 to 1."""

    name = "volume_similarity"

    def rate(self, overlap: Overlap) -> float:
        """0 where only one has the class."""
        return 1 - abs(overlap.found - overlap.expected) / (overlap.found + overlap.expected)


class VolumeErrorMetric(ComparedMetric):
    """Absolute difference of the volumes of prediction and truth per class in cm^3, which are ml; of flat images in
    cm^2."""

    name = "volume_error"

    def score(self, comparison: Comparison, name: str) -> float:
        """The whole volume where only one has the class."""
        overlap = comparison.overlaps[name]
        return abs(overlap.found - overlap.expected) * math.prod(step / _CENTIMETRE for step in comparison.spacing)


class DistanceMetric(ComparedMetric):
    """One in mm between two surfaces; the diagonal of the image where only one has the class."""

    def score(self, comparison: Comparison, name: str) -> float:
        """From the distances both ways."""
        return self.distance(*comparison.distances(name)) if comparison.is_in_both(name) else comparison.diagonal

    @abstractmethod
    def distance(self, there: np.ndarray, back: np.ndarray) -> float:
        """From distances of each voxel of one surface to the other surface, and back."""


class HD95Metric(DistanceMetric):
    """The larger of the two directed 95th percentiles of surface distances in mm (Huttenlocher et al. 1993).

    The 95th percentile stands for the maximum as in Maier-Hein et al. 2024 (Metrics Reloaded).
    """

    name = "hd95"

    def distance(self, there: np.ndarray, back: np.ndarray) -> float:
        """The larger percentile."""
        return max(float(np.percentile(side, 95)) for side in (there, back))


class HD100Metric(DistanceMetric):
    """Hausdorff distance: the largest distance in mm from a voxel of one surface to the other (Huttenlocher et al.
    1993). One voxel that is off decides it."""

    name = "hd100"

    def distance(self, there: np.ndarray, back: np.ndarray) -> float:
        """The largest."""
        return float(max(there.max(), back.max()))


class ASSDMetric(DistanceMetric):
    """Average symmetric surface distance in mm: the mean over the voxels of both surfaces (Heimann et al. 2009)."""

    name = "assd"

    def distance(self, there: np.ndarray, back: np.ndarray) -> float:
        """The mean of both together."""
        return float((there.sum() + back.sum()) / (there.size + back.size))


class NSDMetric(ComparedMetric):
    """Normalised surface Dice (Nikolov et al. 2021): the fraction of both surfaces within a tolerance of the other."""

    name = "nsd"

    def __init__(self, parameters: NSD) -> None:
        super().__init__(parameters)
        self._tolerance = parameters.tolerance

    def score(self, comparison: Comparison, name: str) -> float:
        """0 where only one has the class."""
        if not comparison.is_in_both(name):
            return 0.0
        return float(np.mean(np.concatenate(comparison.distances(name)) <= self._tolerance))
