"""A grid of voxels as far as a header tells of it, and the one rule by which it becomes finer or coarser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from wardround.engine.parts.numbers import Millimetres

_EQUAL = 1e-6
"""Spacings that differ by less, relatively, are one."""


@dataclass(frozen=True)
class Grid:
    """Voxels along each axis, and their spacing in mm.

    Attributes:
        shape: voxels along each axis.
        spacing: mm from voxel to voxel along each axis.
    """

    shape: tuple[Annotated[int, Field(ge=1)], ...]
    spacing: tuple[Millimetres, ...]

    def at_spacing(self, spacing: tuple[float, ...]) -> Grid:
        """As many voxels of another spacing as fit the extent best, at least one; this grid if it has that spacing."""
        if all(abs(old - new) <= _EQUAL * new for old, new in zip(self.spacing, spacing, strict=True)):
            return self
        extents = zip(self.shape, self.spacing, spacing, strict=True)
        return Grid(tuple(max(1, round(size * old / new)) for size, old, new in extents), spacing)

    def of_size(self, shape: tuple[int, ...]) -> Grid:
        """Another number of voxels over the same extent; this grid if it has that number."""
        if self.shape == shape:
            return self
        extents = zip(self.shape, self.spacing, shape, strict=True)
        return Grid(shape, tuple(size * old / new for size, old, new in extents))
