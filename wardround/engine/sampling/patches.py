"""Where a patch lies in a case, and copying it out of the memory map."""

from __future__ import annotations

from collections.abc import Sequence
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
        centre = self._foreground_voxel(case, random)
        spatial = case.image.shape[1:]
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

    def _foreground_voxel(self, case: StoredCase, random: np.random.Generator) -> np.ndarray | None:
        """With the probability of `foreground`, a voxel of a class drawn evenly among those present."""
        chance, which, place = random.random(3)
        if chance >= self.foreground or not case.foreground:
            return None
        classes = sorted(case.foreground)
        voxels = case.foreground[classes[int(which * len(classes))]]
        return np.asarray(voxels[int(place * len(voxels))])


def copy_patch(source: np.ndarray, corner: tuple[int, ...], out: np.ndarray, outside: Sequence[float] = ()) -> None:
    """Copy the patch at `corner` into `out`; leading axes are taken whole.

    What lies outside the source becomes 0, or `outside`, which has a value for each channel.
    """
    leading = out.ndim - len(corner)
    inside, place = [slice(None)] * leading, [slice(None)] * leading
    for start, length, side in zip(corner, source.shape[leading:], out.shape[leading:], strict=True):
        first, last = max(start, 0), min(start + side, length)
        inside.append(slice(first, last))
        place.append(slice(first - start, last - start))
    target = out[tuple(place)]
    if target.shape != out.shape:
        out.fill(0)
        for channel, value in zip(out, outside, strict=False):
            channel.fill(value)
    target[...] = source[tuple(inside)]
