"""Post-processing of predicted masks, in the order of the study, on whatever grid they lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import ndimage

from wardround.engine.inference.components import components
from wardround.engine.inference.structures import MaskStep, Structure, Voxels, changed, named, structures_of
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.postprocessing import FillHoles, MapLabels, Morphology
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse


def postprocessed(study: Study, steps: Sequence[PartUse], labels: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Class indices (*spatial) after these steps of a study; `spacing` is mm per axis of their grid."""
    if not steps:
        return labels
    structures = structures_of(study)
    for use in steps:
        part = use.part(Kind.POSTPROCESSING)
        step: MaskStep = part.make(use.parameters)
        with answering(part.owner):
            found = step(labels, structures, tuple(spacing))
            require_labels(study, labels, found)
        labels = found
    return labels


def require_labels(study: Study, before: np.ndarray, after: object) -> None:
    """Raise `BreachError` unless a step has given class indices of the study on the same grid."""
    if not isinstance(after, np.ndarray) or (after.shape, after.dtype) != (before.shape, before.dtype):
        told = f"{after.dtype} of shape {after.shape}" if isinstance(after, np.ndarray) else type(after).__name__
        raise BreachError(told, f"{before.dtype} of shape {before.shape}, as it was given")
    if after.size and not 0 <= int(after.min()) <= int(after.max()) < len(study.class_names):
        got = f"values from {after.min()} to {after.max()}"
        raise BreachError(got, f"places of classes, 0 to {len(study.class_names) - 1}")


class HoleFilling:
    """Background that a structure encloses becomes part of it."""

    def __init__(self, parameters: FillHoles) -> None:
        self._parameters = parameters

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices without holes, all of which lie within the box about a structure."""
        return changed(labels, named(structures, self._parameters.classes), spacing, self._filled)

    def _filled(self, voxels: Voxels, spacing: Sequence[float]) -> Voxels:
        numbers, counts = components(~voxels, self._parameters.connectivity)
        largest = math.inf if self._parameters.largest is None else self._parameters.largest
        is_hole = counts * math.prod(spacing) <= largest
        for axis in range(voxels.ndim):
            for end in (0, -1):
                is_hole[np.unique(numbers.take(end, axis=axis))] = False
        is_hole[0] = True  # the structure itself
        return np.asarray(is_hole[numbers])


class MorphologyStep:
    """Opens, closes, dilates or erodes by a ball.

    Dilation unites the balls about a structure's voxels, as far as they lie in the image; erosion keeps the voxels
    whose ball, as far as it lies in the image, lies in the structure. So the two are adjoint on the image itself, and
    opening and closing change nothing a second time.
    """

    def __init__(self, parameters: Morphology) -> None:
        self._parameters = parameters

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices with each structure so changed."""
        chosen, change = named(structures, self._parameters.classes), _OPERATIONS[self._parameters.operation]
        radius = self._parameters.radius
        return changed(labels, chosen, spacing, lambda voxels, spacing: change(voxels, spacing, radius), radius)


_CLOSE = 1e-6
"""By which part of it a distance may exceed a radius and count as that: spacings are rounded numbers."""


def _dilated(voxels: Voxels, spacing: Sequence[float], radius: float) -> Voxels:
    if not voxels.any():
        return voxels
    distances = ndimage.distance_transform_edt(~voxels, sampling=spacing)
    return np.asarray(distances <= radius * (1 + _CLOSE))


def _eroded(voxels: Voxels, spacing: Sequence[float], radius: float) -> Voxels:
    return ~_dilated(~voxels, spacing, radius)


def _opened(voxels: Voxels, spacing: Sequence[float], radius: float) -> Voxels:
    return _dilated(_eroded(voxels, spacing, radius), spacing, radius)


def _closed(voxels: Voxels, spacing: Sequence[float], radius: float) -> Voxels:
    return _eroded(_dilated(voxels, spacing, radius), spacing, radius)


_OPERATIONS: Mapping[str, Callable[[Voxels, Sequence[float], float], Voxels]] = {
    "opening": _opened,
    "closing": _closed,
    "dilation": _dilated,
    "erosion": _eroded,
}


class LabelMapping:
    """Voxels of some structures are given to others, or to the background."""

    def __init__(self, parameters: MapLabels) -> None:
        self._mapping = parameters.mapping

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices after the mapping. Where regions overlap, the smaller one decides."""
        written = {each.name: each.written for each in structures}
        after = labels.copy()
        for structure in structures:
            if structure.name in self._mapping:
                after[structure.within(labels)] = written.get(self._mapping[structure.name], 0)
        return after
