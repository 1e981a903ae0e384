"""Bring predictions from the preprocessed grid back to the grid of the file."""

from __future__ import annotations

from typing import Literal

import numpy as np

from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.image import Geometry
from wardround.engine.preprocessing.orientation import onto
from wardround.engine.preprocessing.resampling import resample_linear, resample_nearest


def to_native(
    prediction: np.ndarray, stored: Geometry, native: Geometry, kind: Literal["label", "probabilities"]
) -> np.ndarray:
    """A prediction on the preprocessed grid, on the native one; works for any chain of orient, resample and resize.

    `kind` tells what is given: a `label` of shape (*stored) comes back with the same integer type, by nearest
    neighbour; `probabilities` of shape (classes, *stored) as float32, by linear interpolation, after a low-pass filter
    along axes whose voxels grow. Where only the order of axes differs the voxels are exact. Beyond the stored grid the
    nearest voxel is taken.
    """
    leading = 0 if kind == "label" else 1
    if prediction.shape[leading:] != stored.shape or prediction.ndim != stored.dimensions + leading:
        raise ValueError(f"{kind} of shape {prediction.shape} on a grid of shape {stored.shape}")
    change = onto(stored, native)
    turned, grid = change.apply(prediction), change.apply_to_grid(stored)
    if not geometry_differences(grid, native):
        return np.ascontiguousarray(turned)
    if kind == "label":
        return resample_nearest(turned, grid, native)
    return resample_linear(turned, grid, native)


def only_rearranged(stored: Geometry, native: Geometry) -> bool:
    """Whether the preprocessed grid has the native grid's very voxels, if in another order."""
    return not geometry_differences(onto(stored, native).apply_to_grid(stored), native)
