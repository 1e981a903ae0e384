"""Where a patch lies in a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


@dataclass(frozen=True)
class PatchPlan:
    """What every patch of a study has in common.

    Attributes:
        size: voxels along each axis.
        foreground: how often one is centred on foreground.
        weights: how often foreground is of each class in relation to the others of its case, by the class's index;
            empty for evenly.
    """

    size: tuple[int, ...]
    foreground: float
    weights: tuple[float, ...] = ()

    @classmethod
    def of(cls, study: Study) -> PatchPlan:
        """That of a study."""
        patches, stated = study.patches, study.patches.class_weights
        weights = tuple(stated.get(name, 1.0) for name in study.class_names) if stated else ()
        return cls(patches.size, patches.foreground, weights)

    def corner(self, case: StoredCase, random: np.random.Generator) -> tuple[int, ...]:
        """The patch's first voxel. Along an axis that is shorter than the patch it is negative: the case lies in the
        middle of the patch."""
        centre = self._voxel(case, random)
        spatial = case.geometry.shape
        uniform = random.random(len(spatial))
        corner = []
        for axis, (length, side) in enumerate(zip(spatial, self.size, strict=True)):
            room = length - side
            if room <= 0:
                corner.append(-(-room // 2))
            elif centre is None:
                corner.append(int(uniform[axis] * (room + 1)))
            else:
                corner.append(min(max(int(centre[axis]) - side // 2, 0), room))
        return tuple(corner)

    def _voxel(self, case: StoredCase, random: np.random.Generator) -> np.ndarray | None:
        """With the probability of `foreground`, a voxel of a class drawn among those present, if any of them may be;
        otherwise any that counts, where some do not: nothing is learned from a patch of voxels that are ignored."""
        chance, which, place = random.random(3)
        classes = sorted(index for index in case.foreground if index)
        drawn = self._drawn(classes, which) if chance < self.foreground and classes else None
        if drawn is None and 0 not in case.foreground:
            return None
        voxels = case.foreground[drawn or 0]
        return np.asarray(voxels[int(place * len(voxels))])

    def _drawn(self, classes: Sequence[int], which: float) -> int | None:
        """The class at a fraction of all weights; None where those are zero."""
        if not self.weights:
            return classes[int(which * len(classes))]
        reached = [*accumulate(self.weights[index] for index in classes)]
        return next((index for index, until in zip(classes, reached, strict=True) if which * reached[-1] < until), None)
