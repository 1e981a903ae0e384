"""Planes of an image as a radiologist reads them, from its grid alone.

Axial: seen from the feet, the patient's right at the left of the picture, the front up. Coronal: seen from the front,
right at the left, head up. Sagittal: seen from the left, front at the left, head up. Whatever the order and direction
of an array's axes, the cut runs along them: nothing is resampled, and a plane that is tilted is called oblique.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from wardround.engine.imaging.geometry import AXIS_NAMES, direction_matrix
from wardround.engine.imaging.image import Geometry, Space
from wardround.engine.preprocessing.orientation import Rearrangement, towards

OBLIQUE_FROM = 10.0
"""Degrees between a plane's normal and the axis of its name from which it is called oblique."""
_SECOND_LETTER = math.sin(math.radians(20))
_LETTERS = (("L", "R"), ("P", "A"), ("S", "I"))
"""Along each axis of LPS: where a positive component points, and where a negative one does."""
_NAMES = ("sagittal", "coronal", "axial")
_IN_PLANE = ((1, 2), (0, 2), (0, 1))
"""For each normal the axes that run across and down the picture, of an array turned to point left, back and down."""


@dataclass(frozen=True)
class Edges:
    """What lies beyond the edges of a picture: letters of patient directions, the nearest first where it is tilted."""

    left: str
    right: str
    top: str
    bottom: str


@dataclass(frozen=True)
class View:
    """One way to look at a grid.

    Attributes:
        geometry: the grid.
        axis: the axis of the array that the picture looks along; None for a 2D image, which is shown as it is.
        name: the plane in words; empty for a 2D image.
        edges: letters of its edges; None for a 2D image, and where the file tells no directions in the body.
        spacing: mm (or pixels, in a photograph) from row to row and from column to column.
    """

    geometry: Geometry
    axis: int | None
    name: str
    edges: Edges | None
    spacing: tuple[float, float]

    @property
    def slices(self) -> int:
        """How many such planes there are."""
        return 1 if self.axis is None else self.geometry.shape[self.axis]

    def cut(self, array: np.ndarray, index: int) -> np.ndarray:
        """The plane at an index of the array's own axis in (row, column) order. Any array of the grid's order of axes
        will do, also a part of it; axes before the last three stay in front. A view: nothing is copied."""
        if self.axis is None:
            return array
        leading = array.ndim - 3
        thin = [slice(None)] * array.ndim
        thin[leading + self.axis] = slice(index, index + 1)
        turned = self._change.apply(array[tuple(thin)])
        plane = np.squeeze(turned, axis=leading + self._normal)
        return np.swapaxes(plane, -1, -2)

    def rectangle(self, corner: Sequence[int], size: Sequence[int]) -> tuple[int, int, int, int]:
        """Where a box of the array lies in the picture: first row, first column, rows, columns."""
        if self.axis is None:
            return corner[0], corner[1], size[0], size[1]
        across, down = _IN_PLANE[self._normal]
        rows, columns = self._extent(down, corner, size), self._extent(across, corner, size)
        return rows[0], columns[0], rows[1], columns[1]

    def place(self, index: int) -> str:
        """The plane and its number, from 1 in the file's own order."""
        return "" if self.axis is None else f"{self.name}, slice {index + 1} of {self.slices}"

    def _extent(self, turned: int, corner: Sequence[int], size: Sequence[int]) -> tuple[int, int]:
        axis = self._change.order[turned]
        if self._change.flipped[turned]:
            return self.geometry.shape[axis] - corner[axis] - size[axis], size[axis]
        return corner[axis], size[axis]

    @cached_property
    def _change(self) -> Rearrangement:
        return towards(self.geometry, "LPI")

    @cached_property
    def _normal(self) -> int:
        assert self.axis is not None
        return self._change.order.index(self.axis)


def views_of(geometry: Geometry, space: Space = Space.BODY) -> tuple[View, ...]:
    """The axial, the coronal and the sagittal view of a volume; the one view of a 2D image.

    Of an image of one slice only the view that shows more than a line. Where `space` has no directions in the body they
    are named by the axis that they look along, and have no letters.
    """
    views = _oriented_views(geometry)
    return views if space is Space.BODY else tuple(map(_unnamed, views))


def _unnamed(view: View) -> View:
    if view.axis is None:
        return view
    return replace(view, name=f"across the axis {AXIS_NAMES[3][view.axis]} of the file", edges=None)


def _oriented_views(geometry: Geometry) -> tuple[View, ...]:
    if geometry.dimensions == 2:
        return (View(geometry, None, "", None, (geometry.spacing[0], geometry.spacing[1])),)
    change = towards(geometry, "LPI")
    views = [_view(geometry, change, normal) for normal in (2, 1, 0)]
    whole = [view for view in views if min(_sides(view)) > 1]
    return tuple(whole or views)


def main_view(geometry: Geometry, space: Space = Space.BODY) -> View:
    """The view that was scanned: of the planes with the smallest pixels, the axial one where they are equal."""
    views = views_of(geometry, space)
    return min(views, key=lambda view: round(view.spacing[0] * view.spacing[1], 3))


def _sides(view: View) -> tuple[int, ...]:
    return tuple(side for axis, side in enumerate(view.geometry.shape) if axis != view.axis)


def _view(geometry: Geometry, change: Rearrangement, normal: int) -> View:
    turned = change.apply_to_grid(geometry)
    directions = direction_matrix(turned)
    across, down = _IN_PLANE[normal]
    right, bottom = directions[:, across], directions[:, down]
    return View(
        geometry,
        change.order[normal],
        _plane_name(directions[:, normal]),
        Edges(letters(-right), letters(right), letters(-bottom), letters(bottom)),
        (turned.spacing[down], turned.spacing[across]),
    )


def _plane_name(normal: np.ndarray) -> str:
    nearest = int(np.abs(normal).argmax())
    angle = math.degrees(math.acos(min(1.0, float(abs(normal[nearest])))))
    return _NAMES[nearest] if angle < OBLIQUE_FROM else f"oblique, nearest to {_NAMES[nearest]} ({angle:.0f}° off)"


def letters(direction: np.ndarray) -> str:
    """Where a direction in LPS points: the nearest letter, and those of other axes that it leans to by 20 degrees."""
    order = np.argsort(-np.abs(direction), kind="stable")
    told = [axis for place, axis in enumerate(order) if place == 0 or abs(direction[axis]) > _SECOND_LETTER]
    return "".join(_LETTERS[axis][int(direction[axis] < 0)] for axis in told)


def foreground_counts(labels: np.ndarray) -> list[np.ndarray[Any, Any]]:
    """For every axis, how many voxels of each of its planes are foreground; a plane at a time is in memory."""
    totals = [np.zeros(side, dtype=np.int64) for side in labels.shape]
    for index, plane in enumerate(labels):
        found = plane != 0
        totals[0][index] = np.count_nonzero(found)
        for axis in range(found.ndim):
            others = tuple(other for other in range(found.ndim) if other != axis)
            totals[axis + 1] += np.count_nonzero(found, axis=others)
    return totals


def telling_index(view: View, labels: np.ndarray | None) -> int:
    """The plane of a view with most foreground; the middle one where there is none."""
    if view.axis is None:
        return 0
    length = view.slices if labels is None else labels.shape[view.axis]
    if labels is None:
        return length // 2
    counts = foreground_counts(labels)[view.axis]
    return int(counts.argmax()) if counts.any() else length // 2
