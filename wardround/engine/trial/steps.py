"""The preprocessing steps, one after the other, on one small case."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from wardround.engine.basics.blame import all_of_parts
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.inspection.shapes import grid_after, largest_after
from wardround.engine.parts import BreachError, Kind
from wardround.engine.parts.preprocessing import IntensityParameters
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitting import fit_to
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse
from wardround.engine.trial.attempt import Attempts, require_finite, require_unchanged
from wardround.engine.trial.material import sample_of

_SIDES = {2: 64, 3: 40}
_MOST_VOXELS = 96**3
"""A built-in step that would make a larger grid of the small case, such as `resize`, is built and not run."""
_MOST_OF_PACKAGES = 512**3
"""So is one of a package, whose word on the grid is not taken otherwise."""
_NO_GRID = 2**40
"""Voxels of a case that no computer holds."""


def try_steps(study: Study, attempts: Attempts) -> None:
    """Run each step on what the one before it gave; where that is nothing, on a new case."""
    shape = tuple(_SIDES[study.dimensions] + axis for axis in range(study.dimensions))
    sample = sample_of(study, shape)
    for place, use in enumerate(study.preprocessing):
        found = None
        with attempts.of(use.part(Kind.PREPROCESSING), f"preprocessing.{place}.{use.name}"):
            found = _run(study, use, sample)
        sample = found or sample_of(study, shape)


def try_odd_cases(study: Study, attempts: Attempts) -> None:
    """Run the study's only step on cases of one value, of nothing but zeros, of nothing but negative values, and on
    such as are thin: what comes out is whole, and the same each time."""
    (use,) = study.preprocessing
    for sample in _odd_cases(study):
        with attempts.of(use.part(Kind.PREPROCESSING), f"preprocessing.0.{use.name}"):
            found, again = _run(study, use, sample), _run(study, use, sample)
            if found is not None and again is not None:
                require_unchanged(found.image.data, again.image.data, "what it gave for the same case before")


def _odd_cases(study: Study) -> Iterator[Sample]:
    axes = study.dimensions
    usual = sample_of(study, (9,) * axes)
    for values in (np.full_like(usual.image.data, 3), np.zeros_like(usual.image.data), -1 - np.abs(usual.image.data)):
        yield replace(usual, image=Image(values, usual.image.geometry))
    for thin in range(axes):
        yield sample_of(study, tuple(1 if axis == thin else 12 for axis in range(axes)))
    yield sample_of(study, (1,) * axes)


def require_other_channels_kept(study: Study) -> None:
    """Raise `BreachError` unless the study's only step, where it can be told to work on some channels, leaves the
    others as they are."""
    (use,) = study.preprocessing
    if not isinstance(use.parameters, IntensityParameters):
        return
    names = (*study.inputs, "another")
    parameters = use.parameters.model_copy(update={"channels": study.inputs})
    chosen = use.model_copy(update={"parameters": parameters})
    told = study.model_copy(update={"inputs": names, "preprocessing": (chosen,)})
    sample = sample_of(told, (12,) * study.dimensions)
    found = _run(told, chosen, sample)
    if found is not None and not np.array_equal(found.image.data[-1], sample.image.data[-1]):
        raise BreachError("another image of a channel that `channels` does not name", "that channel as it was")


def _run(study: Study, use: PartUse, sample: Sample) -> Sample | None:
    """What one step makes of a case; None where it is not run, or says that it cannot work on such a case.

    The case is made up: a step that refuses it in the user's words may well take the hospital's own.
    """
    alone = study.model_copy(update={"preprocessing": (use,)})
    grid = grid_after(use, sample.image.geometry)
    if grid is not None and _is_too_large(grid, bool(use.part(Kind.PREPROCESSING).package)):
        return None
    image, label = sample.image.data.copy(), None if sample.label is None else sample.label.copy()
    try:
        found = Pipeline(alone, fit_to(alone, [sample])).apply(sample)
    except InputError as error:
        if all_of_parts(error):
            raise
        return None
    require_unchanged(image, sample.image.data, "its argument's image")
    require_unchanged(label, sample.label, "its argument's mask")
    require_finite(found.image.data, "voxels")
    _require_classes(found, study.mask_indices)
    _require_foretold(found, grid)
    _require_no_larger(found, use, sample)
    return found


def _is_too_large(grid: Geometry, of_package: bool) -> bool:
    """Whether a step is not run for the memory that it would take. Raises `BreachError` where no memory would do."""
    voxels = math.prod(grid.shape)
    if of_package and voxels > _NO_GRID:
        raise BreachError(f"a grid of {grid.shape} voxels from `grid_after`", f"{_NO_GRID:,} voxels at most")
    return voxels > (_MOST_OF_PACKAGES if of_package else _MOST_VOXELS)


def _require_foretold(sample: Sample, grid: Geometry | None) -> None:
    """That the grid is the one which the step's parameters foretell: disk and patches are reckoned by it."""
    made = sample.image.geometry
    if grid is not None and (made.shape != grid.shape or not np.allclose(made.spacing, grid.spacing)):
        told = [f"{each.shape} voxels of {each.spacing} mm" for each in (made, grid)]
        raise BreachError(f"a grid of {told[0]}", f"{told[1]}, as its `grid_after` says")


def _require_no_larger(found: Sample, use: PartUse, sample: Sample) -> None:
    """That the grid is no larger than the parameters say: room is reckoned by it."""
    made, most = found.image.geometry.shape, largest_after(use, sample.image.geometry)
    if most is not None and any(side > limit for side, limit in zip(made, most.shape, strict=True)):
        raise BreachError(f"a grid of {made} voxels", f"{most.shape} at most, as its `largest_after` says")


def _require_classes(sample: Sample, classes: int) -> None:
    label = sample.label
    if label is None:
        return
    if label.dtype.kind not in "iu":
        raise BreachError(f"a mask of {label.dtype}", "a mask of whole numbers: nearest neighbours, nothing in between")
    others = sorted({int(value) for value in np.unique(label)} - set(range(classes)))
    if others:
        raise BreachError(f"{others[:3]} in the mask", f"places of classes, 0 to {classes - 1}")
