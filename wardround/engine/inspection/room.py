"""What a case will need, from its headers alone: memory while it is built, and disk once it is stored; and whether that
is there."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.files import require_space, require_writable, taken_bytes
from wardround.engine.basics.memory import available_bytes
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.sizes import BLOCK_BYTES, on_disk, shown_size
from wardround.engine.cohort import Case
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.reading import read_header
from wardround.engine.inspection.shapes import largest_grid
from wardround.engine.preprocessing.fitting import fitted_places
from wardround.engine.study import Study
from wardround.engine.targets import Written, target_of

BUILDING_BYTES = 12
"""Per voxel and channel while a case is built: the voxels in the file's type and in float32, a step's input and
output, the mask."""
MARGIN = 8 << 20
"""Bytes that must stay free beside the arrays of a case that is being written."""
RAISE_LIMIT = "Raise the limit: `store_limit` in site.yaml, or `--store-limit` of `wardround fit`"
_HEADER_BYTES = 128
"""Of an array's file."""
_UNKNOWN_GROWTH = 2
"""A step of another package may enlarge the grid; then this is assumed."""


@dataclass(frozen=True)
class Needs:
    """What preprocessing a cohort takes.

    Attributes:
        disk: bytes, of all cases.
        memory: bytes, of the case that takes most.
        largest: that case's subject.
    """

    disk: int
    memory: int
    largest: str

    @property
    def described(self) -> str:
        """For people."""
        return f"about {shown_size(self.disk)} on disk, {shown_size(self.memory)} of memory for the largest case"


def needs_of(study: Study, grids: Mapping[str, Geometry]) -> Needs:
    """Reckoned from the grids of the cases' files, by subject. Where steps are fitted, a case lies there twice: before
    them, for all splits, and after, for one."""
    copies = 2 if fitted_places(study) else 1
    disk = copies * sum(stored_bytes(study, grid) for grid in grids.values())
    memory, largest = max(((_building_bytes(study, grid), subject) for subject, grid in grids.items()), default=(0, ""))
    return Needs(disk, memory, largest)


def present_bytes(work: Path) -> int:
    """Disk that the store under `work` takes already, whatever studies its cases are of."""
    present = 0
    for folder in (work / "store").glob("cases/*/[0-9a-f]*"):
        with contextlib.suppress(FileNotFoundError):  # a running process has pruned it
            present += taken_bytes(folder)
    return present


def require_store_room(disk: int, work: Path) -> None:
    """Raise `InputError` unless the store under `work` can grow to `disk` bytes; what it holds already counts."""
    require_writable(work, "preprocessed cases")
    missing = disk - present_bytes(work)
    require_space(work / "store", missing + MARGIN if missing > 0 else 0, "the preprocessed cases")


def require_within_limit(disk: int, limit: int | None) -> None:
    """Raise `InputError` if a store may not hold `disk` bytes, which are in use at the same time."""
    if limit is not None and disk > limit:
        raise InputError.one(
            "the preprocessed cases that are needed at the same time will not fit the store's limit",
            where="store_limit",
            got=shown_size(limit),
            expected=f"at least {shown_size(disk)}",
            remedy=RAISE_LIMIT,
        )


def memory_shortage(needs: Needs) -> tuple[Problem, ...]:
    """What to say if the largest case cannot be preprocessed within the memory that there is; else nothing."""
    available = available_bytes()
    if needs.memory <= available:
        return ()
    problem = Problem(
        "the largest case needs more memory to be preprocessed than there is",
        where=f"subject {needs.largest!r}",
        got=f"{shown_size(available)} available",
        expected=f"about {shown_size(needs.memory)}",
        remedy="Give this machine or container more memory, end other programs, or crop or downsample the image",
    )
    return (problem,)


def building_bytes(study: Study, case: Case) -> int:
    """Memory that building a case takes at its peak; 0 where its header cannot be read, for then it is not built."""
    try:
        grid = read_header(case.channels[0], study.dicom).geometry
    except (InputError, OSError):
        return 0
    return _building_bytes(study, grid)


def _building_bytes(study: Study, grid: Geometry) -> int:
    images = len(study.inputs) + (len(study.targets) if target_of(study).written is Written.IMAGE else 0)
    return BUILDING_BYTES * images * max(math.prod(grid.shape), _stored_voxels(study, grid))


def room_for(study: Study, case: Case) -> int:
    """Disk that a case will take; 0 where its header cannot be read, for then it is not stored."""
    try:
        return stored_bytes(study, read_header(case.channels[0], study.dicom).geometry)
    except (InputError, OSError):
        return 0


def stored_bytes(study: Study, grid: Geometry) -> int:
    """Disk that a case takes whose file has this grid: float32 channels and, where there is one, its mask or the images
    that are to be made, each with a header; a description and a folder. Coordinates of the foreground depend on the
    mask, and count as one block."""
    if not study.inputs:
        return 0  # all of it is in the table
    voxels = _stored_voxels(study, grid)
    arrays = on_disk(_HEADER_BYTES + 4 * len(study.inputs) * voxels) + 2 * BLOCK_BYTES
    truth = target_of(study).bytes_per_voxel(study)
    return arrays + (on_disk(_HEADER_BYTES + voxels * truth) + BLOCK_BYTES if truth else 0)


def _stored_voxels(study: Study, grid: Geometry) -> int:
    after = largest_grid(study, grid)
    return _UNKNOWN_GROWTH * math.prod(grid.shape) if after is None else math.prod(after.shape)
