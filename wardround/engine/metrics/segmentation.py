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

from wardround.engine.basics.blocks import blocks, counts
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts.metrics import HD95, NSD, Dice

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]
Box = tuple[slice, ...]


class DiceMetric:
    """Dice similarity coefficient 2 |A and B| / (|A| + |B|) per class (Dice 1945)."""

    name = "dice"

    def __init__(self, parameters: Dice) -> None:
        self._parameters = parameters

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """`dice` and `dice.<class>`, in 0 to 1."""
        _require_one_shape(prediction, truth)
        found, expected, both = _class_counts(prediction, truth, len(class_names))
        total = found + expected
        scores = {name: 2 * int(both[k]) / int(total[k]) for k, name in enumerate(class_names) if k and total[k]}
        return named_scores(self.name, scores)


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


def surface_distances(found: Mask, expected: Mask, spacing: Sequence[float]) -> tuple[Distances, Distances]:
    """Distance in mm from each surface voxel of one mask to the nearest of the other, both ways; neither is empty."""
    first, second = surface(found), surface(expected)
    return _distances(first, second, spacing), _distances(second, first, spacing)


def _distances(start: Mask, target: Mask, spacing: Sequence[float]) -> Distances:
    """From each voxel of `start` to the nearest of `target`. A distance is computed for these voxels only: a map of
    distances over the whole box takes five times the memory."""
    nearest = ndimage.distance_transform_edt(~target, sampling=spacing, return_distances=False, return_indices=True)
    offsets = (nearest[:, start] - np.stack(np.nonzero(start)).astype(nearest.dtype)).astype(np.float64)
    offsets *= np.asarray(spacing, dtype=np.float64)[:, None]
    np.multiply(offsets, offsets, out=offsets)
    return np.asarray(np.sqrt(np.add.reduce(offsets, axis=0)))


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
    """Score each class within the box that holds it in truth and prediction: nothing outside it plays a part."""
    _require_one_shape(prediction, truth)
    count = len(class_names) - 1
    boxes = zip(_class_boxes(prediction, count), _class_boxes(truth, count), strict=True)
    scores = {}
    for index, both in enumerate(boxes, start=1):
        box = _union(*both)
        if box is not None:
            scores[class_names[index]] = score(prediction[box] == index, truth[box] == index)
    return named_scores(name, scores)


def _require_one_shape(prediction: np.ndarray, truth: np.ndarray) -> None:
    if prediction.shape != truth.shape:
        raise ValueError(f"a prediction of shape {prediction.shape} for a truth of shape {truth.shape}")


def _class_counts(prediction: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels of each class in the prediction, in the truth, and in both."""
    length = 1 + max(classes, int(prediction.max(initial=0)), int(truth.max(initial=0)))
    both = np.zeros(length, dtype=np.int64)
    prediction, truth = np.ascontiguousarray(prediction), np.ascontiguousarray(truth)
    for found, expected in zip(blocks(prediction), blocks(truth), strict=True):
        both += np.bincount(found[found == expected], minlength=length)
    return counts(prediction, length), counts(truth, length), both


def _class_boxes(labels: np.ndarray, count: int) -> list[Box | None]:
    """The smallest box around each of the classes 1 to `count`; None for one that is absent."""
    found: list[Box | None] = ndimage.find_objects(labels, max_label=count)
    return found


def _union(first: Box | None, second: Box | None) -> Box | None:
    if first is None or second is None:
        return first or second
    return tuple(
        slice(min(one.start, other.start), max(one.stop, other.stop)) for one, other in zip(first, second, strict=True)
    )


def _diagonal(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """The largest distance in mm that two voxels of an image can have."""
    return math.hypot(*((size - 1) * step for size, step in zip(shape, spacing, strict=True)))
