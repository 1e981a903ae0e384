"""Where a patch lies in a case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wardround.engine.store.case import StoredCase


@dataclass(frozen=True)
class PatchPlan:
    """What every patch of a study has in common: its size, and how often one is centred on foreground."""

    size: tuple[int, ...]
    foreground: float

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
        """With the probability of `foreground`, a voxel of a class drawn evenly among those present; otherwise any that
        counts, where some do not: there is nothing to learn from a patch of voxels that are ignored."""
        chance, which, place = random.random(3)
        classes = sorted(index for index in case.foreground if index)
        if chance < self.foreground and classes:
            voxels = case.foreground[classes[int(which * len(classes))]]
        elif 0 in case.foreground:
            voxels = case.foreground[0]
        else:
            return None
        return np.asarray(voxels[int(place * len(voxels))])
