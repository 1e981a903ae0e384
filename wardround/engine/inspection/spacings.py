"""Spacings in another unit than mm: files that `resample` would leave next to nothing of, or make enormous."""

from __future__ import annotations

from collections.abc import Iterator

from wardround.engine.basics.problems import Problem
from wardround.engine.imaging.types import Geometry
from wardround.engine.parts.preprocessing import Orient, Resample
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.study.expectations import flow
from wardround.engine.study.models import Study

_FAR = 50.0
"""No study asks for voxels that are so many times as long or as short: such numbers are of another unit."""


def foreign_spacings(study: Study, grid: Geometry, where: str) -> Iterator[Problem]:
    """One problem for each `resample` whose spacing is far from that of a file; `where` names the row."""
    if grid.dimensions != study.dimensions:
        return
    for index, use in enumerate(study.preprocessing):
        if isinstance(use.parameters, Orient):
            grid = towards(grid, use.parameters.axes).apply_to_grid(grid)
        if not isinstance(use.parameters, Resample):
            continue
        asked, stored = use.parameters.spacing, grid.spacing
        if any(max(new / old, old / new) > _FAR for new, old in zip(asked, stored, strict=True)):
            usual = flow([float(f"{value:.2g}") for value in stored])
            yield Problem(
                "the spacing to which images are resampled is far from that of the file",
                where=f"{where}, study's preprocessing.{index}.resample.spacing",
                got=f"{flow(list(asked))} for voxels of {' x '.join(f'{value:.3g}' for value in stored)} mm",
                expected="mm, near the spacing of the files",
                remedy=f"Write the spacing in mm, such as `spacing: {usual}`, which this file has; or correct "
                "the spacing in the file, if that is wrong",
            )
        return
