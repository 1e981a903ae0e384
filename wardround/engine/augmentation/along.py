"""Linear filters as one matrix for each axis.

Blurring, going to fewer voxels and back, or leaving out parts of k-space are linear in the values along an axis, so
the whole filter is a matrix with a row for each voxel of the outcome. Its products are those that processors are built
for, edges cost nothing, and where only a band of it is not zero, only the columns of that band are multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

_ROWS, _ROWS_OF_A_BAND = 32, 16
"""Of a block: enough for a product to pay, and few enough that a narrow band has few columns there."""
_NARROW = 0.25
"""Of the weights at most are not zero in a narrow band."""


def along(volumes: Tensor, axis: int, weights: np.ndarray) -> Tensor:
    """`volumes`, (channels, *spatial), with the values along one axis, counted from 0 in space, mixed by `weights`.

    These are float32 of shape (voxels of the outcome, voxels of the axis).
    """
    before, side, after = volumes.shape[: axis + 1], volumes.shape[axis + 1], volumes.shape[axis + 2 :]
    flat = volumes.reshape(math.prod(before), side, math.prod(after))
    out = torch.empty((flat.shape[0], len(weights), flat.shape[2]), dtype=volumes.dtype, device=volumes.device)
    for rows, columns in _blocks(weights, _rows(weights, is_last=flat.shape[2] == 1)):
        block = torch.from_numpy(np.ascontiguousarray(weights[rows, columns])).to(volumes.device)
        if flat.shape[2] == 1:  # the last axis: one wide product, not one for each line
            out[:, rows, 0] = flat[:, columns, 0] @ block.T
        else:
            out[:, rows] = torch.matmul(block, flat[:, columns])
    return out.reshape(*before, len(weights), *after)


def _rows(weights: np.ndarray, is_last: bool) -> int:
    """Of a block. The products of the last axis are narrow as it is."""
    is_narrow = np.count_nonzero(weights) <= _NARROW * weights.size
    return _ROWS_OF_A_BAND if is_narrow and not is_last else _ROWS


def _blocks(weights: np.ndarray, count: int) -> Iterator[tuple[slice, slice]]:
    """Rows, so many at once, and the columns that they use."""
    for first in range(0, len(weights), count):
        rows = slice(first, min(first + count, len(weights)))
        used = np.flatnonzero(weights[rows].any(axis=0))
        yield rows, slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 1)
