"""How large a case will be once it is preprocessed, from its header alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wardround.engine.imaging.types import Geometry
from wardround.engine.parts import Parameters
from wardround.engine.parts.preprocessing import Clip, Orient, Resample, Rescale, Resize, ZNormalize
from wardround.engine.study.models import Study

_KEEPS_THE_GRID = (Clip, Rescale, ZNormalize)
_WORLD_AXIS = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}


@dataclass(frozen=True)
class _Grid:
    """Shape, spacing and the anatomical axis (0 left-right, 1 front-back, 2 head-foot) of each array axis."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    world: tuple[int, ...]


def preprocessed_shape(study: Study, geometry: Geometry) -> tuple[int, ...] | None:
    """Voxels per axis after the study's steps; None when a step of another package may change them."""
    grid: _Grid | None = _Grid(geometry.shape, geometry.spacing, _world_axes(geometry))
    for use in study.preprocessing:
        grid = None if grid is None else _after(use.parameters, grid)
    return None if grid is None else grid.shape


def _after(step: Parameters, grid: _Grid) -> _Grid | None:
    if isinstance(step, _KEEPS_THE_GRID):
        return grid
    if isinstance(step, Orient):
        return _oriented(step, grid)
    if isinstance(step, Resample):
        return _with_shape(grid, _resampled(grid, step.spacing))
    return _with_shape(grid, step.size) if isinstance(step, Resize) else None


def _oriented(step: Orient, grid: _Grid) -> _Grid | None:
    if len(grid.shape) != 3:
        return None
    order = [grid.world.index(_WORLD_AXIS[letter]) for letter in step.axes]
    return _Grid(
        tuple(grid.shape[axis] for axis in order),
        tuple(grid.spacing[axis] for axis in order),
        tuple(grid.world[axis] for axis in order),
    )


def _resampled(grid: _Grid, spacing: tuple[float, ...]) -> tuple[int, ...]:
    extents = zip(grid.shape, grid.spacing, spacing, strict=False)
    return tuple(max(1, round(size * old / new)) for size, old, new in extents)


def _with_shape(grid: _Grid, shape: tuple[int, ...]) -> _Grid | None:
    """The same field of view on another number of voxels."""
    if len(shape) != len(grid.shape):
        return None
    spacing = tuple(old * have / new for old, have, new in zip(grid.spacing, grid.shape, shape, strict=True))
    return _Grid(shape, spacing, grid.world)


def _world_axes(geometry: Geometry) -> tuple[int, ...]:
    """The anatomical axis that each array axis runs along most; each is given once, the clearest first."""
    axes = geometry.dimensions
    remaining = np.abs(np.asarray(geometry.direction).reshape(axes, axes))
    found = [0] * axes
    for _ in range(axes):
        world, axis = np.unravel_index(int(np.argmax(remaining)), remaining.shape)
        found[axis] = int(world)
        remaining[world, :], remaining[:, axis] = -1.0, -1.0
    return tuple(found)
