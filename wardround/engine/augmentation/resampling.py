"""Taking each voxel of an outcome from a place between voxels.

torch's own sampling of volumes works voxel by voxel on a CPU. Here a slab at a time is worked on by operations that
processors have instructions for, and all of a slab's numbers stay in their caches. A border of one voxel holds what
lies outside, so that nothing has to be asked about edges.
"""

from __future__ import annotations

import math
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
        for rows in _slabs(self.positions):
            index = _index([p.round() for p in _within(self.positions[:, rows], volumes)], bordered)
            for channel, values in enumerate(bordered):
                out[channel, rows] = values.flatten().index_select(0, index).reshape(out[channel, rows].shape)
        return out

    def _linear(self, volumes: Tensor, outside: Sequence[float]) -> Tensor:
        if not self._by_slabs(volumes):
            return _sampled(volumes, self.positions, outside)
        bordered = _bordered(volumes, outside)
        out = torch.empty((len(volumes), *self.positions.shape[1:]), dtype=volumes.dtype)
        for rows in _slabs(self.positions):
            places = _within(self.positions[:, rows], volumes)
            sides = volumes.shape[1:]
            corners = [p.floor().clamp_max_(side - 1) for p, side in zip(places, sides, strict=True)]
            shares = [p.sub_(corner).flatten() for p, corner in zip(places, corners, strict=True)]
            index = _index(corners, bordered)
            for channel, values in enumerate(bordered):
                found = _mixed(values.flatten(), index, shares, values.stride())
                out[channel, rows] = found.reshape(out[channel, rows].shape)
        return out

    def _by_slabs(self, volumes: Tensor) -> bool:
        """Whether that is the faster way, which it is not on a GPU, nor for flat images."""
        return volumes.device.type == "cpu" and volumes.ndim == 4


def _slabs(positions: Tensor) -> Iterator[slice]:
    rows = max(1, _SLAB // max(1, math.prod(positions.shape[2:])))
    yield from (slice(first, first + rows) for first in range(0, positions.shape[1], rows))


def _within(positions: Tensor, volumes: Tensor) -> list[Tensor]:
    """Positions along each axis, those beyond the border on it."""
    return [along.clamp(-1, side) for along, side in zip(positions, volumes.shape[1:], strict=True)]


def _bordered(volumes: Tensor, outside: Sequence[float]) -> Tensor:
    """`volumes` with one voxel more at each end of each axis, which holds what lies outside their channel."""
    bordered = volumes.new_empty((len(volumes), *(side + 2 for side in volumes.shape[1:])))
    for channel, value in zip(bordered, outside or (0,) * len(volumes), strict=True):
        channel.fill_(value)
    bordered[(slice(None), *(slice(1, -1),) * (volumes.ndim - 1))] = volumes
    return bordered


def _index(corners: Sequence[Tensor], bordered: Tensor) -> Tensor:
    """Whole positions as places in a flat channel with a border."""
    kind = torch.int32 if bordered[0].numel() <= _MOST_INDEXED else torch.int64
    parts = [each.to(kind).add_(1).mul_(step) for each, step in zip(corners, bordered.stride()[1:], strict=True)]
    return sum(parts[1:], parts[0]).flatten()


def _mixed(values: Tensor, index: Tensor, shares: Sequence[Tensor], steps: Sequence[int]) -> Tensor:
    """Values at `index` and one step further along each axis, mixed by shares of the further one."""
    if not steps:
        return values.index_select(0, index)
    near = _mixed(values, index, shares[1:], steps[1:])
    return near.lerp_(_mixed(values[steps[0] :], index, shares[1:], steps[1:]), shares[0])


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
