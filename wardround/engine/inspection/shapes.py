"""How large a case will be once it is preprocessed, from its header alone."""

from __future__ import annotations

from wardround.engine.imaging.image import Geometry
from wardround.engine.parts import Parameters
from wardround.engine.parts.preprocessing import Clip, Orient, Resample, Rescale, Resize, ZNormalize
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.preprocessing.resampling import grid_of
from wardround.engine.study.models import Study


def preprocessed_grid(study: Study, geometry: Geometry) -> Geometry | None:
    """The grid after the study's steps; None when a step of another package may change it in a way of its own."""
    grid: Geometry | None = geometry
    for use in study.preprocessing:
        grid = None if grid is None else grid_after(use.parameters, grid)
    return grid


def grid_after(step: Parameters, grid: Geometry) -> Geometry | None:
    """The grid after one step; None for a step of another package."""
    if isinstance(step, Clip | Rescale | ZNormalize):
        return grid
    if isinstance(step, Orient):
        return towards(grid, step.axes).apply_to_grid(grid)
    if isinstance(step, Resample):
        extents = zip(grid.shape, grid.spacing, step.spacing, strict=True)
        return grid_of(grid, tuple(max(1, round(size * old / new)) for size, old, new in extents), step.spacing)
    if isinstance(step, Resize):
        extents = zip(grid.shape, grid.spacing, step.size, strict=True)
        return grid_of(grid, step.size, tuple(size * old / new for size, old, new in extents))
    return None
