"""Overlap and surface metrics of label maps, per class. Imports no torch.

A class's surface is the set of its voxels with a face neighbour outside it; what lies beyond the image is outside.
Distances run between voxel centres, in mm.

Where neither truth nor prediction has a class, its score is undefined and left out. Where only one has it, every metric
gives its worst value (for `hd95` the diagonal of the image): leaving such cases out would reward a network that misses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts.metrics import HD95, NSD, Dice

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


class DiceMetric:
    """Dice similarity coefficient 2 |A and B| / (|A| + |B|) per class (Dice 1945)."""

    name = "dice"

    def __init__(self, parameters: Dice) -> None:
        self._parameters = parameters

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """`dice` and `dice.<class>`, in 0 to 1."""
        return _class_scores(self.name, prediction, truth, class_names, overlap)


class HD95Metric:
    """The larger of the two directed 95th percentiles of surface distances in mm (Huttenlocher et al. 1993).

    The 95th percentile stands for the maximum as in Maier-Hein et al. 2024 (Metrics Reloaded).
    """

    name = "hd95"

    def __init__(self, parameters: HD95) -> None:
        self._parameters = parameters

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """`hd95` and `hd95.<class>`, in mm."""

        def score(found: Mask, expected: Mask) -> float:
            if not (found.any() and expected.any()):
                return _diagonal(truth.shape, spacing)
            return max(float(np.percentile(side, 95)) for side in surface_distances(found, expected, spacing))

        return _class_scores(self.name, prediction, truth, class_names, score)


class NSDMetric:
    """Normalised surface Dice (Nikolov et al. 2021): the fraction of both surfaces within a tolerance of the other."""

    name = "nsd"

    def __init__(self, parameters: NSD) -> None:
        self._tolerance = parameters.tolerance

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """`nsd` and `nsd.<class>`, in 0 to 1."""

        def score(found: Mask, expected: Mask) -> float:
            if not (found.any() and expected.any()):
                return 0.0
            both = np.concatenate(surface_distances(found, expected, spacing))
            return float(np.mean(both <= self._tolerance))

        return _class_scores(self.name, prediction, truth, class_names, score)


def overlap(found: Mask, expected: Mask) -> float:
    """Dice of two masks, not both empty."""
    return 2 * int(np.count_nonzero(found & expected)) / int(np.count_nonzero(found) + np.count_nonzero(expected))


def surface_distances(found: Mask, expected: Mask, spacing: Sequence[float]) -> tuple[Distances, Distances]:
    """Distance in mm from each surface voxel of one mask to the nearest of the other, both ways; neither is empty."""
    box = _bounding_box(found | expected)
    first, second = surface(found[box]), surface(expected[box])
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing)
    return to_second[first], to_first[second]


def surface(mask: Mask) -> Mask:
    """The voxels of a mask with a face neighbour outside it, or at the border of the array."""
    inner: Mask = ndimage.binary_erosion(mask)
    return mask & ~inner


def _class_scores(
    name: str,
    prediction: np.ndarray,
    truth: np.ndarray,
    class_names: Sequence[str],
    score: Callable[[Mask, Mask], float],
) -> dict[str, float]:
    if prediction.shape != truth.shape:
        raise ValueError(f"a prediction of shape {prediction.shape} for a truth of shape {truth.shape}")
    pairs = ((label, prediction == index, truth == index) for index, label in enumerate(class_names) if index > 0)
    return named_scores(
        name, {label: score(found, expected) for label, found, expected in pairs if found.any() or expected.any()}
    )


def _bounding_box(mask: Mask) -> tuple[slice, ...]:
    box: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.uint8))[0]
    return box


def _diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """The largest distance in mm that two voxels of an image can have."""
    return math.hypot(*((size - 1) * step for size, step in zip(shape, spacing, strict=True)))
