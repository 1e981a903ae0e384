"""Comparison of voxel grids, axis by axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wardround.engine.imaging.types import Geometry

SPACING_TOLERANCE = 1e-3
"""Relative difference of spacing that counts as equal: headers store single precision or a few decimals."""
ORIGIN_TOLERANCE = 1e-2
"""Difference of origin in mm that counts as equal."""
DIRECTION_TOLERANCE = 1e-4
"""Difference of a component of an axis' unit vector that counts as equal."""

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


def geometry_differences(first: Geometry, second: Geometry) -> tuple[str, ...]:
    """What differs between two grids, one sentence per property and axis; empty when they agree within tolerance."""
    if first.dimensions != second.dimensions:
        return (f"{first.dimensions} axes against {second.dimensions}",)
    return tuple(_differences(first, second))


def _differences(first: Geometry, second: Geometry) -> Iterator[str]:
    first_direction, second_direction = direction_matrix(first), direction_matrix(second)
    for axis, name in enumerate(AXIS_NAMES[first.dimensions]):
        shapes = first.shape[axis], second.shape[axis]
        if shapes[0] != shapes[1]:
            yield f"size of axis {name}: {shapes[0]} against {shapes[1]}"
        spacings = first.spacing[axis], second.spacing[axis]
        if abs(spacings[0] - spacings[1]) > SPACING_TOLERANCE * max(spacings):
            yield f"spacing of axis {name}: {spacings[0]:g} against {spacings[1]:g} mm"
        origins = first.origin[axis], second.origin[axis]
        if abs(origins[0] - origins[1]) > ORIGIN_TOLERANCE:
            yield f"origin along {name}: {origins[0]:g} against {origins[1]:g} mm"
        columns = first_direction[:, axis], second_direction[:, axis]
        if np.abs(columns[0] - columns[1]).max() > DIRECTION_TOLERANCE:
            yield f"direction of axis {name}: {_vector(columns[0])} against {_vector(columns[1])}"


def _vector(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
