"""Images that are asked for a region: arrays in memory, maps of the store's arrays, and files.

Whoever takes a patch or a window says where it lies, and learns nothing of where the voxels come from; so an image
that is too big for memory is one more class with these members (the five of TorchIO 2's backends, `data/backends.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from wardround.engine.imaging.image import Geometry

Box = tuple[slice, ...]
"""A region: a start and a stop within the image, for each spatial axis."""
_SLAB = 1 << 22
"""Values that `slabs` reads at once, where a plane has no more."""


class Readable(Protocol):
    """An image of shape (channels, *spatial) whose regions can be read.

    For every box `region(box)` is `whole()[:, *box]`, to the last bit. What it gives is not to be written to: it may be
    a view of a map.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, *spatial), known without a voxel being read."""

    @property
    def geometry(self) -> Geometry:
        """The grid, of shape (*spatial)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values that are given."""

    def region(self, box: Box) -> np.ndarray:
        """The values of (channels, *box). Raises `InputError` for a file whose voxels there cannot be read."""

    def whole(self) -> np.ndarray:
        """All values, (channels, *spatial). Raises as `region` does."""


@dataclass(frozen=True)
class ArrayReadable:
    """An array that is held or mapped, or that is got when the first region is asked for.

    Attributes:
        shape: (channels, *spatial).
        geometry: the grid.
        dtype: of the array.
        load: gives the array; called for every region, so it is to keep what cost something.
    """

    shape: tuple[int, ...]
    geometry: Geometry
    dtype: np.dtype[Any]
    load: Callable[[], np.ndarray]

    @classmethod
    def of(cls, array: np.ndarray, geometry: Geometry) -> Self:
        """An array of shape (channels, *geometry.shape) that is there already."""
        if array.shape[1:] != geometry.shape:
            raise ValueError(f"an array of shape {array.shape} on a grid of shape {geometry.shape}")
        return cls(array.shape, geometry, array.dtype, lambda: array)

    def region(self, box: Box) -> np.ndarray:
        """A view of the array."""
        return self.load()[(slice(None), *box)]

    def whole(self) -> np.ndarray:
        """The array."""
        return self.load()


def copy_region(source: Readable, corner: Sequence[int], out: np.ndarray, outside: Sequence[float] = ()) -> None:
    """Copy the region whose first voxel is `corner`, and that is as large as `out`, (channels, *size), into it.

    It may lie beyond the image, wholly or in part; what does becomes 0, or `outside`, which has a value for each
    channel.
    """
    inside, place = [], [slice(None)]
    for start, length, side in zip(corner, source.shape[1:], out.shape[1:], strict=True):
        first, last = max(start, 0), max(min(start + side, length), 0)
        inside.append(slice(min(first, last), last))
        place.append(slice(inside[-1].start - start, last - start))
    target = out[tuple(place)]
    if target.shape != out.shape:
        out.fill(0)
        for channel, value in zip(out, outside, strict=False):
            channel.fill(value)
    if target.size:
        target[...] = source.region(tuple(inside))


def slabs(source: Readable) -> Iterator[np.ndarray]:
    """All voxels in order of the first axis, (channels, planes, *others), a few megabytes at a time."""
    channels, length, *others = source.shape
    planes = max(1, _SLAB // max(1, channels * int(np.prod(others))))
    for first in range(0, length, planes):
        yield source.region((slice(first, min(first + planes, length)), *(slice(0, side) for side in others)))
