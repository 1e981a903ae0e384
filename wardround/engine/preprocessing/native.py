"""Bring predictions from the preprocessed grid back to the grid of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np

from wardround.engine.imaging.geometry import direction_matrix, geometry_differences
from wardround.engine.imaging.image import Geometry
from wardround.engine.preprocessing.orientation import onto
from wardround.engine.preprocessing.resampling import beginning_at, resample_linear, resample_nearest

_EXACT = 1e-3
"""Voxels that lie no further apart than such a part of one are the same."""


def to_native(
    prediction: np.ndarray,
    stored: Geometry,
    native: Geometry,
    kind: Literal["label", "probabilities"],
    cut_to: Sequence[Geometry] = (),
    outside: float = 0,
) -> np.ndarray:
    """A prediction on the preprocessed grid, on the native one; works for any chain of steps that turn, cut, pad and
    resample.

    `kind` tells what is given: a `label` of shape (*stored) comes back with the same integer type, by nearest
    neighbour; `probabilities` of shape (classes, *stored) as float32, by linear interpolation, after a low-pass filter
    along axes whose voxels grow. Where only the order of axes differs, or where the grid begins and ends, the voxels
    are exact. Beyond the stored grid the nearest voxel is taken; but what lies outside of a grid to which the case was
    cut (`seen_after`), `cut_to`, becomes `outside`: the model has not seen it.
    """
    leading = 0 if kind == "label" else 1
    if prediction.shape[leading:] != stored.shape or prediction.ndim != stored.dimensions + leading:
        raise ValueError(f"{kind} of shape {prediction.shape} on a grid of shape {stored.shape}")
    change = onto(stored, native)
    turned, grid = change.apply(prediction), change.apply_to_grid(stored)
    found = _on_grid(turned, grid, native, kind)
    if not cut_to:
        return found
    # A prediction on the native grid itself is the caller's.
    own = found.copy() if np.shares_memory(found, prediction) else found
    for cut in cut_to:
        _clear(own, _covered(cut, native), outside)
    return own


def seen_after(before: Geometry, after: Geometry) -> Geometry:
    """A grid that ends where a step has cut a case, from `before` to `after`, and reaches far beyond the other ends.

    Where nothing was cut a case may end a little short of its file, by half a voxel of one to which it was resampled.
    """
    firsts = [round(float(place)) for place in _places(np.asarray(after.origin)[None], before)[0]]
    lows, sides = [], []
    for first, left, side in zip(firsts, after.shape, before.shape, strict=True):
        low = first if first > 0 else first - side
        high = first + left if first + left < side else first + left + side
        lows.append(low - first)
        sides.append(high - low)
    return beginning_at(after, lows, tuple(sides))


def _on_grid(
    values: np.ndarray, grid: Geometry, native: Geometry, kind: Literal["label", "probabilities"]
) -> np.ndarray:
    """What lies on a grid whose axes run as the native one's, on that."""
    if not geometry_differences(grid, native):
        return np.ascontiguousarray(values)
    first = _first_voxel(grid, native)
    if first is not None:
        sides = zip(first, grid.shape, native.shape, strict=True)
        nearest = [np.clip(np.arange(new) - low, 0, old - 1) for low, old, new in sides]
        rows = values if kind == "label" else values.astype(np.float32, copy=False)
        leading = (slice(None),) * (values.ndim - len(nearest))
        return np.ascontiguousarray(rows[leading + np.ix_(*nearest)])
    if kind == "label":
        return resample_nearest(values, grid, native)
    return resample_linear(values, grid, native)


def _first_voxel(grid: Geometry, native: Geometry) -> tuple[int, ...] | None:
    """Which native voxel a grid of the very same voxels begins at, outside of the native grid too; None for another."""
    if geometry_differences(replace(grid, shape=native.shape, origin=native.origin), native):
        return None
    places = _places(np.asarray(grid.origin)[None], native)[0]
    whole = np.rint(places)
    return tuple(int(place) for place in whole) if np.abs(places - whole).max() < _EXACT else None


def _covered(grid: Geometry, native: Geometry) -> tuple[slice, ...]:
    """The native voxels whose centres lie within the outermost edges of a grid."""
    indices = np.array(list(product(*((-0.5, side - 0.5) for side in grid.shape))))
    corners = np.asarray(grid.origin) + (indices * grid.spacing) @ direction_matrix(grid).T
    places = _places(corners, native)
    lows, highs = np.ceil(places.min(axis=0) - _EXACT), np.floor(places.max(axis=0) + _EXACT)
    return tuple(slice(max(0, int(low)), max(0, int(high) + 1)) for low, high in zip(lows, highs, strict=True))


def _places(points: np.ndarray, grid: Geometry) -> np.ndarray:
    """Points in space, (n, dimensions), in voxels of a grid."""
    along = (points - np.asarray(grid.origin)) @ direction_matrix(grid)
    return np.asarray(along / np.asarray(grid.spacing))


def _clear(values: np.ndarray, kept: tuple[slice, ...], outside: float) -> None:
    """Set all but a box of the last axes to a value."""
    leading = values.ndim - len(kept)
    for axis, box in enumerate(kept):
        before = (slice(None),) * (leading + axis)
        values[(*before, slice(0, box.start))] = outside
        values[(*before, slice(box.stop, None))] = outside


def only_rearranged(stored: Geometry, native: Geometry) -> bool:
    """Whether the preprocessed grid has the native grid's very voxels, if in another order."""
    return not geometry_differences(onto(stored, native).apply_to_grid(stored), native)
