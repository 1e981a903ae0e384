"""One case's prediction beside its truth, class by class. Imports no torch.

Whatever several metrics need of a case is found once and kept with it: counts of voxels, the box of a class, distances
between surfaces. Nothing is kept beyond the case.

A class's surface is the set of its voxels with a face neighbour outside it; what lies beyond the image is outside.
Distances run between voxel centres, in mm. Everything is measured within the box that holds a class in truth and
prediction: nothing outside it plays a part.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wardround.engine.basics.blocks import blocks, counts
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.study.labels import BACKGROUND

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]
Box = tuple[slice, ...]


@dataclass(frozen=True)
class Overlap:
    """Of one class: how many voxels, or cases, are of it in the prediction, in the truth, in both, and how many there
    are at all."""

    found: int
    expected: int
    both: int
    all: int

    @property
    def false_positives(self) -> int:
        """Predicted and not there."""
        return self.found - self.both

    @property
    def false_negatives(self) -> int:
        """There and not predicted."""
        return self.expected - self.both

    @property
    def true_negatives(self) -> int:
        """Neither."""
        return self.all - self.found - self.expected + self.both


class ScoresLabels(Protocol):
    """A metric of label maps."""

    name: str

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """See `metrics.build.SegmentationMetric`."""
        ...


class Comparison(ABC):
    """A prediction and its truth on one grid.

    Attributes:
        names: of the classes that are scored, in the study's order.
        shape: voxels along each axis.
        spacing: mm along each axis.
    """

    def __init__(self, names: Sequence[str], shape: Sequence[int], spacing: Sequence[float]) -> None:
        self.names, self.shape, self.spacing = tuple(names), tuple(shape), tuple(spacing)
        self._distances: dict[str, tuple[Distances, Distances]] = {}

    @cached_property
    @abstractmethod
    def overlaps(self) -> Mapping[str, Overlap]:
        """Of each class its voxels, of those that count."""

    @abstractmethod
    def masks(self, name: str) -> tuple[Mask, Mask]:
        """Prediction and truth of a class within the box that holds both; one of them has a voxel."""

    @abstractmethod
    def scores_by(self, metric: ScoresLabels) -> dict[str, float]:
        """Those of a metric that knows label maps alone."""

    @property
    def present(self) -> tuple[str, ...]:
        """The classes that prediction or truth has."""
        return tuple(name for name in self.names if self.overlaps[name].found or self.overlaps[name].expected)

    def is_in_both(self, name: str) -> bool:
        """Whether prediction and truth both have a class."""
        return bool(self.overlaps[name].found and self.overlaps[name].expected)

    def distances(self, name: str) -> tuple[Distances, Distances]:
        """`surface_distances` of a class that prediction and truth both have."""
        if name not in self._distances:
            self._distances[name] = surface_distances(*self.masks(name), self.spacing)
        return self._distances[name]

    @property
    def diagonal(self) -> float:
        """The largest distance in mm that two voxels of the image can have."""
        return math.hypot(*((size - 1) * step for size, step in zip(self.shape, self.spacing, strict=True)))


class LabelComparison(Comparison):
    """Of label maps: each voxel has one class; 0 is the background and is not scored."""

    def __init__(
        self,
        prediction: np.ndarray,
        truth: np.ndarray,
        spacing: Sequence[float],
        class_names: Sequence[str],
        valid: Mask | None = None,
    ) -> None:
        """`class_names` by index, the background first; what is not `valid` is background in both, and not counted.

        Raises ValueError where shapes differ.
        """
        _require_one_shape(prediction.shape, truth.shape, None if valid is None else valid.shape)
        super().__init__(class_names[1:], truth.shape, spacing)
        self._class_names = tuple(class_names)
        if valid is not None:
            prediction, truth = (np.where(valid, labels, 0).astype(labels.dtype) for labels in (prediction, truth))
        self.prediction, self.truth = prediction, truth
        self._counted = truth.size if valid is None else int(np.count_nonzero(valid))

    @cached_property
    def overlaps(self) -> Mapping[str, Overlap]:
        """All classes in one pass."""
        found, expected, both = _class_counts(self.prediction, self.truth, len(self.names) + 1)
        return {
            name: Overlap(int(found[k]), int(expected[k]), int(both[k]), self._counted)
            for k, name in enumerate(self.names, start=1)
        }

    def masks(self, name: str) -> tuple[Mask, Mask]:
        """Within the class's box."""
        index = self.names.index(name) + 1
        box = _union(*(boxes[index - 1] for boxes in self._boxes))
        return self.prediction[box] == index, self.truth[box] == index

    def scores_by(self, metric: ScoresLabels) -> dict[str, float]:
        """Of both label maps."""
        return metric.scores(self.prediction, self.truth, self.spacing, self._class_names)

    @cached_property
    def _boxes(self) -> tuple[list[Box | None], list[Box | None]]:
        """The smallest box around each class, in prediction and truth; None for one that is absent."""
        many = len(self.names)
        return ndimage.find_objects(self.prediction, many), ndimage.find_objects(self.truth, many)


class RegionComparison(Comparison):
    """Of regions that may overlap: each has a mask of its own, and there is no background."""

    def __init__(
        self,
        prediction: np.ndarray,
        truth: np.ndarray,
        spacing: Sequence[float],
        names: Sequence[str],
        valid: Mask | None = None,
    ) -> None:
        """Prediction and truth are (regions, *grid), 0 or 1. Raises ValueError where shapes differ."""
        grid = truth.shape[1:]
        _require_one_shape(prediction.shape, (len(names), *grid), truth.shape)
        _require_one_shape(grid, None if valid is None else valid.shape)
        super().__init__(names, grid, spacing)
        self.prediction, self.truth = (
            regions.astype(bool, copy=False) if valid is None else regions.astype(bool) & valid
            for regions in (prediction, truth)
        )
        self._counted = math.prod(grid) if valid is None else int(np.count_nonzero(valid))

    @cached_property
    def overlaps(self) -> Mapping[str, Overlap]:
        """Region by region."""
        pairs = zip(self.names, self.prediction, self.truth, strict=True)
        return {name: self._overlap(found, expected) for name, found, expected in pairs}

    def _overlap(self, found: Mask, expected: Mask) -> Overlap:
        both = int(np.count_nonzero(found & expected))
        return Overlap(int(np.count_nonzero(found)), int(np.count_nonzero(expected)), both, self._counted)

    def masks(self, name: str) -> tuple[Mask, Mask]:
        """Within the region's box."""
        place = self.names.index(name)
        found, expected = self.prediction[place], self.truth[place]
        box = _union(*(_box(mask) for mask in (found, expected)))
        return found[box], expected[box]

    def scores_by(self, metric: ScoresLabels) -> dict[str, float]:
        """Of each region as a class of its own beside the background."""
        found: dict[str, float] = {}
        for name, *masks in zip(self.names, self.prediction, self.truth, strict=True):
            prediction, truth = (mask.astype(np.uint8) for mask in masks)
            scores = metric.scores(prediction, truth, self.spacing, (BACKGROUND, name))
            found |= {key: value for key, value in scores.items() if key == f"{metric.name}.{name}"}
        prefix = len(metric.name) + 1
        return named_scores(metric.name, {key[prefix:]: value for key, value in found.items()})


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


def _require_one_shape(prediction: tuple[int, ...], *others: tuple[int, ...] | None) -> None:
    for shape in others:
        if shape is not None and shape != prediction:
            raise ValueError(f"a prediction of shape {prediction} for a truth of shape {shape}")


def _class_counts(prediction: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels of each class in the prediction, in the truth, and in both."""
    length = 1 + max(classes, int(prediction.max(initial=0)), int(truth.max(initial=0)))
    both = np.zeros(length, dtype=np.int64)
    prediction, truth = np.ascontiguousarray(prediction), np.ascontiguousarray(truth)
    for found, expected in zip(blocks(prediction), blocks(truth), strict=True):
        both += np.bincount(found[found == expected], minlength=length)
    return counts(prediction, length), counts(truth, length), both


def _box(mask: Mask) -> Box | None:
    """The smallest box around a mask; None of one that is empty."""
    found: list[Box | None] = ndimage.find_objects(mask.view(np.uint8), 1)
    return found[0]


def _union(first: Box | None, second: Box | None) -> Box:
    if first is None or second is None:
        return first or second or ()
    return tuple(
        slice(min(one.start, other.start), max(one.stop, other.stop)) for one, other in zip(first, second, strict=True)
    )
