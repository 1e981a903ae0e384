"""Anatomical orientation by reordering and flipping axes: no voxel changes its value or its place in space."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from wardround.engine.imaging.geometry import direction_matrix
from wardround.engine.imaging.image import Geometry

_WORLD = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}
"""Axis and sign in LPS coordinates of the direction that each letter names."""


@dataclass(frozen=True)
class Rearrangement:
    """New axis i is old axis `order[i]`, run backwards where `flipped[i]`."""

    order: tuple[int, ...]
    flipped: tuple[bool, ...]

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return self.order == tuple(range(len(self.order))) and not any(self.flipped)

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Rearrange the last axes of an array; those before them (channels, classes) stay in front."""
        leading = array.ndim - len(self.order)
        moved = array.transpose(*range(leading), *(leading + axis for axis in self.order))
        backwards = (slice(None, None, -1 if flip else None) for flip in self.flipped)
        return moved[(..., *backwards)]

    def apply_to_grid(self, geometry: Geometry) -> Geometry:
        """The grid of a rearranged array: every voxel stays where it is in space."""
        directions, shape, spacing = direction_matrix(geometry), geometry.shape, geometry.spacing
        columns, origin = [], np.asarray(geometry.origin)
        for axis, flip in zip(self.order, self.flipped, strict=True):
            if flip:
                origin = origin + directions[:, axis] * spacing[axis] * (shape[axis] - 1)
            columns.append(-directions[:, axis] if flip else directions[:, axis])
        return Geometry(
            tuple(shape[axis] for axis in self.order),
            tuple(spacing[axis] for axis in self.order),
            tuple(origin.tolist()),
            tuple((np.stack(columns, axis=1) + 0.0).ravel().tolist()),
        )


def towards(geometry: Geometry, axes: str) -> Rearrangement:
    """What turns a 3D grid so that its axes point, as nearly as they can, to the letters of `axes` (RAS: to the right,
    the front and the head). Of all orders of axes the one with the largest sum of absolute cosines is taken."""
    cosines = direction_matrix(geometry)
    wanted = [_WORLD[letter] for letter in axes]
    order = _best_order(np.stack([np.abs(cosines[world]) for world, _ in wanted]))
    flipped = tuple(cosines[world, axis] * sign < 0 for axis, (world, sign) in zip(order, wanted, strict=True))
    return Rearrangement(order, flipped)


def onto(source: Geometry, target: Geometry) -> Rearrangement:
    """What brings a grid's axes as near as possible to those of another grid of as many dimensions."""
    cosines = direction_matrix(target).T @ direction_matrix(source)
    order = _best_order(np.abs(cosines))
    return Rearrangement(order, tuple(cosines[row, axis] < 0 for row, axis in enumerate(order)))


def _best_order(agreement: np.ndarray) -> tuple[int, ...]:
    """The assignment of old axes to new ones of the largest total; the first in lexical order among equals."""
    orders = permutations(range(len(agreement)))
    return max(orders, key=lambda order: round(sum(float(agreement[row, axis]) for row, axis in enumerate(order)), 9))
