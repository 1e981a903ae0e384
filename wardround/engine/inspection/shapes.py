"""How large a case will be once it is preprocessed, from its header alone."""

from __future__ import annotations

from wardround.engine.imaging.image import Geometry
from wardround.engine.parts import Kind
from wardround.engine.parts.preprocessing import Grid, StepParameters, step_of
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.preprocessing.resampling import grid_of
from wardround.engine.study.models import Study
from wardround.engine.study.part_names import PartUse


def preprocessed_grid(study: Study, geometry: Geometry) -> Geometry | None:
    """The grid after the study's steps; None when one of them says nothing of the grid that it leaves."""
    grid: Geometry | None = geometry
    for use in study.preprocessing:
        grid = None if grid is None else grid_after(use, grid)
    return grid


def grid_after(use: PartUse, grid: Geometry) -> Geometry | None:
    """The grid after one step; None for one that says nothing of it."""
    return use.ask(Kind.PREPROCESSING, lambda step: _after(step_of(step), grid))


def _after(step: StepParameters, grid: Geometry) -> Geometry | None:
    turned = towards(grid, step.orientation).apply_to_grid(grid) if step.orientation else grid
    before = Grid(turned.shape, turned.spacing)
    after = step.grid_after(before)
    if after is None or after == before:
        return None if after is None else turned
    return grid_of(turned, after.shape, after.spacing)
