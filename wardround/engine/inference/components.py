"""Post-processing by connected components."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from wardround.engine.inference.structures import Structure, Voxels, box_about, changed, named
from wardround.engine.parts.postprocessing.components import KeepTouching, LargestComponent, RemoveSmall
from wardround.engine.parts.postprocessing.mask_step import Connectivity


def neighbours(axes: int, connectivity: Connectivity) -> np.ndarray:
    """The neighbourhood of a voxel, (3, ...) of so many axes."""
    return np.asarray(ndimage.generate_binary_structure(axes, 1 if connectivity == "faces" else axes))


def components(voxels: Voxels, connectivity: Connectivity) -> tuple[np.ndarray, np.ndarray]:
    """The number of each voxel's component, 0 outside, and how many voxels each number has, 0 first."""
    numbers, count = ndimage.label(voxels, neighbours(voxels.ndim, connectivity))
    return numbers, np.bincount(numbers.reshape(-1), minlength=count + 1)


def _kept(numbers: np.ndarray, keep: np.ndarray) -> Voxels:
    """The voxels of the components whose numbers are kept; the outside never is."""
    keep[0] = False
    return np.asarray(keep[numbers])


class LargestKept:
    """Of each structure, or of all together, the largest components stay."""

    def __init__(self, parameters: LargestComponent) -> None:
        self._parameters = parameters

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices without the other components."""
        chosen = named(structures, self._parameters.classes)
        if self._parameters.of == "each":
            return changed(labels, chosen, spacing, self._largest)
        together = np.isin(labels, sorted(frozenset[int]().union(*(each.indices for each in chosen))))
        after, box = labels.copy(), box_about(together, [0] * labels.ndim)
        if box is not None:
            after[box][together[box] & ~self._largest(together[box], spacing)] = 0
        return after

    def _largest(self, voxels: Voxels, spacing: Sequence[float]) -> Voxels:
        numbers, sizes = components(voxels, self._parameters.connectivity)
        sizes[0] = 0
        # Sorted stably, so that of equal ones the first in the image comes first.
        keep = np.zeros(len(sizes), dtype=bool)
        keep[np.argsort(-sizes, kind="stable")[: self._parameters.keep]] = True
        return _kept(numbers, keep)


class SmallRemoved:
    """Components of a size beyond the limits are removed."""

    def __init__(self, parameters: RemoveSmall) -> None:
        self._parameters = parameters

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices without those components."""
        return changed(labels, named(structures, self._parameters.classes), spacing, self._within)

    def _within(self, voxels: Voxels, spacing: Sequence[float]) -> Voxels:
        limits = self._parameters
        numbers, counts = components(voxels, limits.connectivity)
        sizes = counts * (math.prod(spacing) if limits.unit == "mm" else 1.0)
        least = 0.0 if limits.least is None else limits.least
        most = math.inf if limits.most is None else limits.most
        return _kept(numbers, (sizes >= least) & (sizes <= most))


class TouchingKept:
    """Components that neither overlap nor touch a structure are removed."""

    def __init__(self, parameters: KeepTouching) -> None:
        self._parameters = parameters

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """Class indices without those components."""
        (other,) = (each for each in structures if each.name == self._parameters.other)
        around = neighbours(labels.ndim, self._parameters.connectivity)
        reached = np.asarray(ndimage.binary_dilation(other.within(labels), around))
        after = labels.copy()
        for structure in named(structures, self._parameters.classes):
            whole = structure.within(after)
            box = box_about(whole, [0] * labels.ndim)
            if box is not None and structure is not other:
                after[box][whole[box] & ~self._touching(whole[box], reached[box])] = 0
        return after

    def _touching(self, voxels: Voxels, reached: Voxels) -> Voxels:
        numbers, sizes = components(voxels, self._parameters.connectivity)
        keep = np.zeros(len(sizes), dtype=bool)
        keep[numbers[reached & voxels]] = True
        return _kept(numbers, keep)
