"""Maps of Euclidean distance, computed where the masks lie: nothing waits for the device, and nothing leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor


def distances_to(masks: Tensor, spacings: Sequence[Sequence[float]]) -> Tensor:
    """(samples, outputs, *grid) distance in mm from each voxel's centre to the nearest voxel of the mask; infinite
    where a mask is empty.

    Args:
        masks: bool, (samples, outputs, *grid).
        spacings: of each sample, mm along each axis.
    """
    return _on_cpu(masks, spacings) if masks.is_cpu else separable_distances(masks, spacings)


def _on_cpu(masks: Tensor, spacings: Sequence[Sequence[float]]) -> Tensor:
    found = np.full(masks.shape, np.inf, dtype=np.float32)
    for place in product(*map(range, masks.shape[:2])):
        mask = masks[place].numpy()
        if mask.any():
            found[place] = ndimage.distance_transform_edt(~mask, sampling=spacings[place[0]])
    return torch.from_numpy(found)


def separable_distances(masks: Tensor, spacings: Sequence[Sequence[float]]) -> Tensor:
    """`distances_to` for an accelerator: squared distances separate by axis, and along each the least over all voxels
    of a line is taken. Each axis costs its length times the voxels of the grid; memory holds a few grids."""
    squares = torch.where(masks, 0.0, torch.inf)
    steps = torch.tensor(spacings, dtype=torch.float32).to(masks.device, non_blocking=True)
    for axis in range(masks.ndim - 2):
        squares = _least_along(squares, 2 + axis, steps[:, axis])
    return squares.sqrt()


def _least_along(squares: Tensor, axis: int, steps: Tensor) -> Tensor:
    """min over j of squares[j] + (step (i - j))^2, for each place i of an axis."""
    lines = squares.movedim(axis, -1)
    length = lines.shape[-1]
    places = torch.arange(length, device=squares.device, dtype=torch.float32)
    steps = steps.reshape(-1, *[1] * (lines.ndim - 1))
    best = torch.full_like(lines, torch.inf)
    for place in range(length):
        across = ((places - place) * steps).square()
        best = torch.minimum(best, lines[..., place : place + 1] + across)
    return best.movedim(-1, axis)


def signed_distances(masks: Tensor, spacings: Sequence[Sequence[float]]) -> Tensor:
    """(samples, outputs, *grid) distance in mm to the boundary of each mask, negative within.

    Outside it is that to the nearest voxel of the mask; inside that to the nearest voxel which is not of it, less one
    step of the finest axis (Kervadec et al. 2019). It is 0 everywhere where a mask is empty or fills the grid, which
    then has no boundary.
    """
    least = torch.tensor([min(each) for each in spacings]).to(masks.device, non_blocking=True)
    outside, inside = distances_to(masks, spacings), distances_to(~masks, spacings)
    signed = torch.where(masks, least.reshape(-1, *[1] * (masks.ndim - 1)) - inside, outside)
    return torch.where(signed.isfinite(), signed, 0)


def boundary_distances(masks: Tensor, spacings: Sequence[Sequence[float]]) -> Tensor:
    """(samples, outputs, *grid) distance in mm from each voxel to the nearest on the other side of a mask's boundary; 0
    everywhere where there is none."""
    found = torch.where(masks, distances_to(~masks, spacings), distances_to(masks, spacings))
    return torch.where(found.isfinite(), found, 0)
