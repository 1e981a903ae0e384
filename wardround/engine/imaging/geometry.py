"""Comparison of voxel grids: how far apart their voxels lie, in voxels, where they are farthest apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wardround.engine.imaging.image import Geometry

TOLERANCE = 0.1
"""Voxels by which two grids may lie apart, at the corner where they are farthest apart, and count as one: headers hold
few decimals, and what they round off grows with every voxel of an axis."""

ROUNDED_TOLERANCE = 0.5
"""The same for grids of which one has the other's spacing, rounded: below half a voxel, each is still nearest to its
own."""
_ROUNDED_BY = 0.005
"""Relative difference of two spacings beyond which it is not rounding."""
_DECIMALS = range(2, 7)

AXIS_NAMES = {2: ("row", "column"), 3: ("x", "y", "z")}


def plain_geometry(shape: tuple[int, ...]) -> Geometry:
    """The grid of a file that says nothing about space: spacing 1, origin 0, axes along the coordinates."""
    axes = len(shape)
    return Geometry(shape, (1.0,) * axes, (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()))


def direction_matrix(geometry: Geometry) -> np.ndarray:
    """The direction as a matrix whose columns are the axes' unit vectors."""
    return np.asarray(geometry.direction, dtype=np.float64).reshape(geometry.dimensions, geometry.dimensions)


def centre(geometry: Geometry) -> np.ndarray:
    """Position in mm of the centre of the grid."""
    half = (np.asarray(geometry.shape) - 1) / 2 * np.asarray(geometry.spacing)
    return np.asarray(np.asarray(geometry.origin) + direction_matrix(geometry) @ half)


def voxels_apart(first: Geometry, second: Geometry) -> float:
    """By how many voxels two grids of as many axes lie apart at the corner where they are farthest apart.

    Corners are those of the outermost voxels' edges, with as many voxels per axis as both grids have; the voxel is the
    smaller of the two.
    """
    corners = np.array(list(itertools.product(*((-0.5, count - 0.5) for count in _common(first, second)))))
    moved = corners @ (step_matrix(second) - step_matrix(first)).T + _origin_shift(first, second)
    return _in_voxels(moved, first, second)


def file_differences(first: Geometry, second: Geometry) -> tuple[str, ...]:
    """What differs between the grids of two files; empty also where one has the other's spacing, rounded, and no voxel
    lies nearer to another one than to its own."""
    differences = geometry_differences(first, second)
    return () if differences and _rounded_little(first, second) else differences


def geometry_differences(first: Geometry, second: Geometry) -> tuple[str, ...]:
    """What differs between two grids, one sentence per property and axis; empty when they agree within `TOLERANCE`."""
    if first.dimensions != second.dimensions:
        return (f"{first.dimensions} axes against {second.dimensions}",)
    sizes = tuple(_sizes(first, second))
    apart = voxels_apart(first, second)
    if apart <= TOLERANCE:
        return sizes
    found = (*_spacings(first, second), *_origins(first, second), *_directions(first, second))
    return (*sizes, *(found or (f"the corners lie up to {apart:.2g} voxels apart",)))


def only_rounded(first: Geometry, second: Geometry) -> bool:
    """Whether two grids differ in nothing but that the spacing of one is that of the other, rounded."""
    if first.shape != second.shape or first.spacing == second.spacing:
        return False
    alike = all(map(_is_rounded, first.spacing, second.spacing))
    return alike and voxels_apart(first, replace(second, spacing=first.spacing)) <= TOLERANCE


def rounding_words(first: Geometry, second: Geometry) -> str:
    """By how much spacings differ that are rounded, and count as one; empty where it is too little to tell."""
    return "; ".join(_spacings(first, second)) if _rounded_little(first, second) else ""


def _rounded_little(first: Geometry, second: Geometry) -> bool:
    return only_rounded(first, second) and voxels_apart(first, second) < ROUNDED_TOLERANCE


def _is_rounded(one: float, other: float) -> bool:
    """Whether a spacing is another one with fewer decimals, in single precision."""
    if abs(one - other) > _ROUNDED_BY * min(one, other):
        return False
    near = 1e-6 * max(one, other)
    pairs = ((one, other), (other, one))
    return abs(one - other) <= near or any(
        abs(round(full, decimals) - short) <= near for full, short in pairs for decimals in _DECIMALS
    )


def same_places(first: Geometry, second: Geometry) -> bool:
    """Whether the voxels of two grids lie at the same places, only in another order: axes exchanged or turned round."""
    if first.dimensions != second.dimensions:
        return False
    way = np.linalg.solve(step_matrix(second), step_matrix(first))  # in voxels of the second grid
    order = np.rint(way)
    turned = np.abs(order)
    if (turned.sum(axis=0) != 1).any() or (turned.sum(axis=1) != 1).any():
        return False
    if tuple((turned @ np.asarray(first.shape)).tolist()) != second.shape:
        return False
    start = np.linalg.solve(step_matrix(second), -_origin_shift(first, second))
    far = np.where(order.sum(axis=1) < 0, np.asarray(second.shape) - 1, 0)
    drift = np.abs(way - order) @ np.asarray(first.shape)
    return bool((np.abs(start - far) + drift).max() <= TOLERANCE)


def step_matrix(geometry: Geometry) -> np.ndarray:
    """The way in mm from a voxel to the next one, per axis as a column."""
    steps: np.ndarray = direction_matrix(geometry) * np.asarray(geometry.spacing)
    return steps


def rectangular(steps: np.ndarray, origin: np.ndarray, shape: tuple[int, ...]) -> Geometry | str:
    """The 3D grid with these steps in mm from voxel to voxel (columns, LPS) and this origin, or why there is none."""
    if not (np.isfinite(steps).all() and np.isfinite(origin).all()):
        return "a transform with entries that are not numbers"
    spacing = np.linalg.norm(steps, axis=0)
    if not (spacing > 0).all() or not np.isfinite(spacing).all():
        return f"a spacing of {spacing_words(spacing)} mm"
    left, _, right = np.linalg.svd(steps / spacing)
    axes = left @ right  # the nearest right-angled axes: few decimals never hold right angles exactly
    corners = np.array(list(itertools.product(*((-0.5, count - 0.5) for count in shape))))
    if np.abs(corners @ (axes * spacing - steps).T @ axes / spacing).max() > TOLERANCE:
        return f"axes that are not at right angles ({_angles(steps / spacing)})"
    return Geometry(
        shape, tuple(spacing.tolist()), tuple((origin + 0.0).tolist()), tuple((axes + 0.0).ravel().tolist())
    )


def with_third(steps: np.ndarray) -> np.ndarray:
    """The steps of a slice, (3, 2), with a third axis of 1 mm that stands on the others."""
    across = np.cross(steps[:, 0], steps[:, 1])
    length = np.linalg.norm(across)
    return np.column_stack([steps[:, :2], across / length if length > 0 else across])


def flat(grid: Geometry) -> Geometry:
    """One slice as a 2D grid, (row, column). A slice across the patient has no axes in two dimensions but its own."""
    axes = direction_matrix(grid)
    in_plane = np.abs(axes[2, :2]).max() < 1e-3
    turned = axes[:2, :2][::-1, ::-1] if in_plane else np.eye(2)
    origin = grid.origin[1::-1] if in_plane else (0.0, 0.0)
    return Geometry(grid.shape[1::-1], grid.spacing[1::-1], origin, tuple(turned.ravel().tolist()))


def spacing_words(spacing: np.ndarray) -> str:
    """Sizes of a voxel, in words."""
    return " x ".join(f"{value:.6g}" for value in spacing)


def _angles(units: np.ndarray) -> str:
    between = (("x", "y", 0, 1), ("x", "z", 0, 2), ("y", "z", 1, 2))
    degrees = [
        (one, other, np.degrees(np.arccos(np.clip(units[:, i] @ units[:, j], -1, 1)))) for one, other, i, j in between
    ]
    return ", ".join(f"{one} and {other} at {angle:.4g}°" for one, other, angle in degrees if abs(angle - 90) > 1e-3)


def _sizes(first: Geometry, second: Geometry) -> Iterator[str]:
    for name, one, other in zip(AXIS_NAMES[first.dimensions], first.shape, second.shape, strict=True):
        if one != other:
            yield f"size of axis {name}: {one} against {other}"


def _spacings(first: Geometry, second: Geometry) -> Iterator[str]:
    for axis, (name, count) in enumerate(zip(AXIS_NAMES[first.dimensions], _common(first, second), strict=True)):
        one, other = first.spacing[axis], second.spacing[axis]
        moved = direction_matrix(first)[:, axis] * count * (other - one)
        if _in_voxels(moved, first, second) > TOLERANCE:
            at_end = f" ({_apart(moved, first, second)} at the far end)"
            yield f"spacing of axis {name}: {_pair(one, other)} mm{at_end}"


def _origins(first: Geometry, second: Geometry) -> Iterator[str]:
    moved = _origin_shift(first, second)
    if _in_voxels(moved, first, second) <= TOLERANCE:
        return
    for axis, name in enumerate(AXIS_NAMES[first.dimensions]):
        if abs(moved[axis]) >= np.abs(moved).max() / 10:
            one, other = first.origin[axis], second.origin[axis]
            along = np.where(np.arange(moved.size) == axis, moved, 0.0)
            yield f"origin along {name}: {_pair(one, other)} mm ({_apart(along, first, second)})"


def _directions(first: Geometry, second: Geometry) -> Iterator[str]:
    one, other = direction_matrix(first), direction_matrix(second)
    for axis, (name, count) in enumerate(zip(AXIS_NAMES[first.dimensions], _common(first, second), strict=True)):
        moved = (other - one)[:, axis] * count * first.spacing[axis]
        if _in_voxels(moved, first, second) > TOLERANCE:
            at_end = f" ({_apart(moved, first, second)} at the far end)"
            yield f"direction of axis {name}: {_vector(one[:, axis])} against {_vector(other[:, axis])}{at_end}"


def _common(first: Geometry, second: Geometry) -> tuple[int, ...]:
    return tuple(map(min, first.shape, second.shape))


def _origin_shift(first: Geometry, second: Geometry) -> np.ndarray:
    return np.subtract(second.origin, first.origin)


def _in_voxels(moved: np.ndarray, first: Geometry, second: Geometry) -> float:
    """The greatest of vectors in mm, (..., axes), in voxels along the first grid's axes."""
    smaller = np.minimum(first.spacing, second.spacing)
    return float(np.abs(moved @ direction_matrix(first) / smaller).max())


def _apart(moved: np.ndarray, first: Geometry, second: Geometry) -> str:
    return f"{np.linalg.norm(moved):.3g} mm or {_in_voxels(moved, first, second):.2g} voxels"


def _pair(one: float, other: float) -> str:
    """Two numbers with as many digits as tell them apart."""
    digits = next((digits for digits in range(6, 17) if f"{one:.{digits}g}" != f"{other:.{digits}g}"), 17)
    return f"{one:.{digits}g} against {other:.{digits}g}"


def _vector(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
