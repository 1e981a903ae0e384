"""What a case will need, from its headers alone: memory while it is built, and disk once it is stored."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sizes import shown_size
from wardround.engine.cohort import Case
from wardround.engine.imaging.reading import read_header
from wardround.engine.imaging.types import Geometry
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.study import Study

BUILDING_BYTES = 12
"""Per voxel and channel while a case is built: the voxels in the file's type and in float32, a step's input and
output, the mask."""
_UNKNOWN_GROWTH = 2
"""A step of another package may enlarge the grid; then this is assumed."""


@dataclass(frozen=True)
class Needs:
    """What preprocessing a cohort takes: bytes on disk for all cases, and of memory for the largest."""

    disk: int
    memory: int

    @property
    def described(self) -> str:
        """For people."""
        return f"about {shown_size(self.disk)} on disk, {shown_size(self.memory)} of memory for the largest case"


def needs_of(study: Study, grids: Iterable[Geometry]) -> Needs:
    """Reckoned from the grids of the cases' files."""
    every = list(grids)
    disk = sum(stored_bytes(study, grid) for grid in every)
    return Needs(disk, max((_building_bytes(study, grid) for grid in every), default=0))


def building_bytes(study: Study, case: Case) -> int:
    """Memory that building a case takes at its peak; 0 where its header cannot be read, for then it is not built."""
    try:
        grid = read_header(case.channels[0]).geometry
    except (InputError, OSError):
        return 0
    return _building_bytes(study, grid)


def _building_bytes(study: Study, grid: Geometry) -> int:
    return BUILDING_BYTES * len(study.inputs) * max(math.prod(grid.shape), _stored_voxels(study, grid))


def room_for(study: Study, case: Case) -> int:
    """Disk that a case will take; 0 where its header cannot be read, for then it is not stored."""
    try:
        return stored_bytes(study, read_header(case.channels[0]).geometry)
    except (InputError, OSError):
        return 0


def stored_bytes(study: Study, grid: Geometry) -> int:
    """Disk that a case takes whose file has this grid: float32 channels and, for a segmentation, its mask."""
    mask = 0 if study.task != "segmentation" else 1 if len(study.class_values) <= 256 else 2
    return _stored_voxels(study, grid) * (4 * len(study.inputs) + mask)


def _stored_voxels(study: Study, grid: Geometry) -> int:
    after = preprocessed_grid(study, grid)
    return _UNKNOWN_GROWTH * math.prod(grid.shape) if after is None else math.prod(after.shape)
