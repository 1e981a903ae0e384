"""The structures of a mask, which post-processing changes: its classes, or its regions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from wardround.engine.study import Study
from wardround.engine.targets import target_of

Voxels = npt.NDArray[np.bool_]
"""Which voxels belong to a structure, (*spatial)."""
Box = tuple[slice, ...]
Change = Callable[[Voxels, Sequence[float]], Voxels]
"""A structure as it shall be, from what it is and the mm between two voxels along each axis; a new array."""


@dataclass(frozen=True)
class Structure:
    """One structure of a mask.

    Attributes:
        name: of the class or the region.
        indices: of the classes that lie in it.
        written: the class of the voxels that it gains.
    """

    name: str
    indices: frozenset[int]
    written: int

    def within(self, labels: np.ndarray) -> Voxels:
        """The voxels of class indices that belong to it."""
        if len(self.indices) == 1:
            return np.asarray(labels == self.written)
        return np.isin(labels, [*self.indices])


class MaskStep(Protocol):
    """A post-processing step: made from its parameters."""

    def __call__(self, labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float]) -> np.ndarray:
        """New class indices, (*spatial) of the same type; what is given stays as it is."""


def structures_of(study: Study) -> tuple[Structure, ...]:
    """Those of a study's masks, in the order of its outputs, without the background."""
    regions = study.overlaps
    found = target_of(study).structures(study)
    if regions is None:
        return tuple(Structure(name, indices, min(indices)) for name, indices in found.items())
    painted = dict(zip(regions.names, regions.painted, strict=True))
    return tuple(Structure(name, indices, painted[name]) for name, indices in found.items())


def named(structures: Sequence[Structure], names: Sequence[str]) -> tuple[Structure, ...]:
    """Those of these names; all, where none is named."""
    return tuple(each for each in structures if not names or each.name in names)


def changed(
    labels: np.ndarray, structures: Sequence[Structure], spacing: Sequence[float], change: Change, reach: float = 0.0
) -> np.ndarray:
    """Class indices after each structure was changed, one after the other: what it loses becomes background, and it
    gains background alone.

    A change is given the box about a structure, and as much around it as lies within `reach` mm and one voxel further,
    which must be all that it looks at: a structure is hardly ever as large as the image.
    """
    after = labels.copy()
    margins = [math.ceil(reach / step) + 1 if reach else 0 for step in spacing]
    for structure in structures:
        whole = structure.within(after)
        box = box_about(whole, margins)
        if box is not None:
            before, part = whole[box], after[box]
            wanted = change(before, spacing)
            part[before & ~wanted] = 0
            part[wanted & (part == 0) & ~before] = structure.written
    return after


def box_about(voxels: Voxels, margins: Sequence[int]) -> Box | None:
    """The smallest box around all voxels, with so many more on each side as the image has; None without voxels."""
    (box,) = ndimage.find_objects(voxels.view(np.uint8), 1)
    if box is None:
        return None
    sides = zip(box, margins, voxels.shape, strict=True)
    return tuple(slice(max(0, side.start - more), min(size, side.stop + more)) for side, more, size in sides)
