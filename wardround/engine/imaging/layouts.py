"""Where the voxels of an NRRD or MetaImage lie, what they are, and which grid its header gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wardround.engine.imaging.entries import AGAIN, Entries
from wardround.engine.imaging.geometry import flat, rectangular, with_third
from wardround.engine.imaging.image import Geometry, Remark, Space
from wardround.engine.imaging.payloads import Payload

_ROUNDED = 1e-3
"""By how much entries of an axis' vector may be off: half of the third decimal, and what it does to its length."""


@dataclass(frozen=True)
class Layout:
    """What a header says.

    Attributes:
        payload: the bytes of the voxels.
        channel_axis: which of the stored axes, fastest first, counts the values of a voxel; None where none does.
        grid: of the voxels.
        remarks: oddities that are allowed.
        space: what is told of the space that the voxels lie in.
    """

    payload: Payload
    channel_axis: int | None
    grid: Geometry
    remarks: tuple[Remark, ...]
    space: Space

    @property
    def channels(self) -> int:
        """Values per voxel."""
        return 1 if self.channel_axis is None else self.payload.sizes[self.channel_axis]

    def ordered(self, raw: np.ndarray) -> np.ndarray:
        """A view of the voxels' bytes, shape (channels, x, y, z) or (channels, row, column)."""
        array = raw.view(self.payload.stored).reshape(self.payload.sizes[::-1]).T
        planes = array[None] if self.channel_axis is None else np.moveaxis(array, self.channel_axis, 0)
        return planes.transpose(0, 2, 1) if planes.ndim == 3 else planes


def placed(
    entries: Entries, name: str, units: np.ndarray, spacing: np.ndarray, origin: np.ndarray, shape: tuple[int, ...]
) -> Geometry | None:
    """The grid of axes with these unit vectors (columns, LPS), a problem of the entry `name` where there is none.

    Two axes are those of one slice, in two dimensions or in three.
    """
    solid, steps = (*shape, 1)[:3], units * spacing
    if len(shape) == 2:
        steps = with_third(np.vstack([steps, np.zeros((3 - len(steps), 2))]))
        origin = np.append(origin, np.zeros(3 - len(origin)))
    grid = rectangular(steps, origin, solid)
    if isinstance(grid, str) and (straight := _straightened(steps)) is not None:
        entries.remark("the axes are at right angles but for few decimals; taken as exactly so", grid)
        grid = rectangular(straight, origin, solid)
    if isinstance(grid, str):
        remedy = "Resample it to a rectangular grid first" if "angles" in grid else AGAIN
        entries.refuse(name, grid, "axes at right angles, with a size of the voxel along each", remedy)
        return None
    return flat(grid) if len(shape) == 2 else grid


def _straightened(steps: np.ndarray) -> np.ndarray | None:
    """Steps along the nearest axes at right angles; None where more than rounding lies between."""
    spacing = np.linalg.norm(steps, axis=0)
    if not np.isfinite(steps).all() or not (spacing > 0).all():
        return None
    left, _, right = np.linalg.svd(steps / spacing)
    axes = left @ right
    straight: np.ndarray = axes * spacing
    return straight if np.abs(axes - steps / spacing).max() <= _ROUNDED else None
