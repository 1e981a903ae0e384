"""How large a case will be once it is preprocessed, from its header alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from wardround.engine.imaging.image import Geometry
from wardround.engine.parts import Kind, Parameters
from wardround.engine.parts.preprocessing import Grid, StepParameters, step_of
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.preprocessing.resampling import grid_of
from wardround.engine.study.models import Study
from wardround.engine.study.part_names import PartUse

Answer = Callable[[StepParameters, Grid], Grid | None]


def preprocessed_grid(study: Study, geometry: Geometry) -> Geometry | None:
    """The grid after the study's steps; None when one of them says nothing of the grid that it leaves."""
    return _after_steps(study, geometry, grid_after)


def largest_grid(study: Study, geometry: Geometry) -> Geometry | None:
    """A grid at least as large as the one after the study's steps; None when one of them says nothing of that."""
    return _after_steps(study, geometry, largest_after)


def grid_after(use: PartUse, grid: Geometry) -> Geometry | None:
    """The grid after one step; None for one that says nothing of it."""
    return use.ask(Kind.PREPROCESSING, partial(_after, grid, lambda step, before: step.grid_after(before)))


def largest_after(use: PartUse, grid: Geometry) -> Geometry | None:
    """A grid at least as large as the one after one step; None for one that says nothing of that."""
    return use.ask(Kind.PREPROCESSING, partial(_after, grid, lambda step, before: step.largest_after(before)))


def _after_steps(
    study: Study, geometry: Geometry, after: Callable[[PartUse, Geometry], Geometry | None]
) -> Geometry | None:
    grid: Geometry | None = geometry
    for use in study.preprocessing:
        grid = None if grid is None else after(use, grid)
    return grid


def _after(grid: Geometry, answer: Answer, parameters: Parameters) -> Geometry | None:
    step = step_of(parameters)
    turned = towards(grid, step.orientation).apply_to_grid(grid) if step.orientation else grid
    before = Grid(turned.shape, turned.spacing)
    after = answer(step, before)
    if after is None or after == before:
        return None if after is None else turned
    return grid_of(turned, after.shape, after.spacing)
