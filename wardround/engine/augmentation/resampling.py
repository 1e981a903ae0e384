"""Taking each voxel of an outcome from a place between voxels.

torch's own sampling of volumes works voxel by voxel on a CPU. Here a slab at a time is worked on by operations that
processors have instructions for, and all of a slab's numbers stay in their caches. A border of one voxel holds what
lies outside, so that nothing has to be asked about edges.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

_SLAB = 2**17
"""Voxels that are worked on at once: their numbers fit into the caches of a core."""
_MOST_INDEXED = 2**31 - 1


@dataclass(frozen=True)
class Resampling:
    """A motion to places between voxels.

    Attributes:
        positions: where each voxel of the outcome is taken from: float32, (dimensions, *spatial), in voxels along each
            axis, counted from the middle of the first.
        padding: per channel of the image what lies outside the patch; empty for 0.
    """

    positions: Tensor
    padding: tuple[float, ...] = ()

    def image(self, volumes: Tensor) -> Tensor:
        """Linear interpolation; from the outermost voxels to one further it goes over into the padding."""
        return self._linear(volumes, self.padding)

    def values(self, volumes: Tensor) -> Tensor:
        """Linear interpolation, which goes over into 0 outside."""
        return self._linear(volumes, ())

    def labels(self, volumes: Tensor) -> Tensor:
        """The value of the nearest voxel, and 0 outside."""
        if not self._by_slabs(volumes):
            return _sample(volumes.float(), self.positions, "nearest").to(volumes.dtype)
        bordered = _bordered(volumes, ())
        out = torch.empty((len(volumes), *self.positions.shape[1:]), dtype=volumes.dtype)
        for slab, room in _slabs(self.positions, bordered):
            index = _index(_within(self.positions, slab, volumes, room).round_(), bordered, room)
            for values, found in zip(bordered, out.flatten(1)[:, slab], strict=True):
                torch.index_select(values.flatten(), 0, index, out=found)
        return out

    def _linear(self, volumes: Tensor, outside: Sequence[float]) -> Tensor:
        if not self._by_slabs(volumes):
            return _sampled(volumes, self.positions, outside)
        bordered = _bordered(volumes, outside)
        out = torch.empty((len(volumes), *self.positions.shape[1:]), dtype=volumes.dtype)
        for slab, room in _slabs(self.positions, bordered):
            places = _within(self.positions, slab, volumes, room)
            corners = torch.floor(places, out=room.corners)
            shares = places.sub_(corners).unbind()
            index = _index(corners, bordered, room)
            spare = corners.unbind()  # they have become the index
            for values, found in zip(bordered, out.flatten(1)[:, slab], strict=True):
                _mix(values.flatten(), index, shares, values.stride(), (found, *spare))
        return out

    def _by_slabs(self, volumes: Tensor) -> bool:
        """Whether that is the faster way, which it is not on a GPU, nor for flat images."""
        return volumes.device.type == "cpu" and volumes.ndim == 4


@dataclass(frozen=True)
class _Room:
    """What the numbers of a slab are written into, one slab after the other: new memory for each step of each slab
    would take as long as the steps.

    Attributes:
        places, corners: float32, (dimensions, voxels).
        index: whole numbers, (dimensions, voxels).
    """

    places: Tensor
    corners: Tensor
    index: Tensor

    def first(self, count: int) -> _Room:
        """The room for so many voxels."""
        return _Room(self.places[:, :count], self.corners[:, :count], self.index[:, :count])


def _slabs(positions: Tensor, bordered: Tensor) -> Iterator[tuple[slice, _Room]]:
    """Which voxels of the flat outcome are next, and the room for them."""
    total, kind = positions[0].numel(), torch.int32 if bordered[0].numel() <= _MOST_INDEXED else torch.int64
    shape = (len(positions), min(_SLAB, total))
    room = _Room(torch.empty(shape), torch.empty(shape), torch.empty(shape, dtype=kind))
    for first in range(0, total, _SLAB):
        count = min(_SLAB, total - first)
        yield slice(first, first + count), room.first(count)


def _within(positions: Tensor, slab: slice, volumes: Tensor, room: _Room) -> Tensor:
    """Positions of a slab along each axis, those beyond the border on it."""
    for along, side, place in zip(positions.flatten(1)[:, slab], volumes.shape[1:], room.places, strict=True):
        torch.clamp(along, -1, side, out=place)
    return room.places


def _bordered(volumes: Tensor, outside: Sequence[float]) -> Tensor:
    """`volumes` with one voxel more before each axis and two behind it, which hold what lies outside their channel:
    a place on the border has a neighbour too."""
    bordered = volumes.new_empty((len(volumes), *(side + 3 for side in volumes.shape[1:])))
    for channel, value in zip(bordered, outside or (0,) * len(volumes), strict=True):
        channel.fill_(value)
    bordered[(slice(None), *(slice(1, -2),) * (volumes.ndim - 1))] = volumes
    return bordered


def _index(corners: Tensor, bordered: Tensor, room: _Room) -> Tensor:
    """Whole positions as places in a flat channel with a border."""
    steps = bordered.stride()[1:]
    *others, index = room.index.copy_(corners).unbind()
    index.add_(sum(steps))
    for along, step in zip(others, steps, strict=False):  # of the last axis it is 1
        index.add_(along, alpha=step)
    return index


def _mix(values: Tensor, index: Tensor, shares: Sequence[Tensor], steps: Sequence[int], into: Sequence[Tensor]) -> None:
    """Values at `index` and one step further along each axis, mixed by shares of the further one.

    They are written into the first of `into`, which holds one more than there are axes.
    """
    found, *spare = into
    if not steps:
        torch.index_select(values, 0, index, out=found)
        return
    _mix(values, index, shares[1:], steps[1:], (found, *spare[1:]))
    _mix(values[steps[0] :], index, shares[1:], steps[1:], spare)
    found.lerp_(spare[0], shares[0])


def _sampled(volumes: Tensor, positions: Tensor, outside: Sequence[float]) -> Tensor:
    if not any(outside):
        return _sample(volumes, positions, "bilinear")
    beyond = torch.tensor(outside, dtype=volumes.dtype, device=volumes.device)
    beyond = beyond.reshape(-1, *(1,) * (volumes.ndim - 1))
    return _sample(volumes - beyond, positions, "bilinear").add_(beyond)


def _sample(volumes: Tensor, positions: Tensor, mode: str) -> Tensor:
    """By torch, for which -1 and 1 are the outermost voxels' middles, and the last axis comes first."""
    halves = [max(side - 1, 1) / 2 for side in volumes.shape[1:]]
    grid = torch.stack([along / half - 1 for along, half in zip(positions, halves, strict=True)][::-1], dim=-1)
    return functional.grid_sample(volumes[None], grid[None], mode=mode, padding_mode="zeros", align_corners=True)[0]
