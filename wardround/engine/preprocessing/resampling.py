"""Resampling onto another grid in physical space, through SimpleITK."""

from __future__ import annotations

from typing import Any

import numpy as np

from wardround.engine.imaging.geometry import centre, direction_matrix
from wardround.engine.imaging.types import Geometry


def grid_of(geometry: Geometry, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Geometry:
    """A grid of another shape and spacing with the same axes and the same centre."""
    half = (np.asarray(shape) - 1) / 2 * np.asarray(spacing)
    origin = centre(geometry) - direction_matrix(geometry) @ half
    return Geometry(shape, spacing, tuple(origin.tolist()), geometry.direction)


def resample_linear(channels: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    """float32 values of shape (channels, *source) on another grid, by linear interpolation.

    Beyond the outermost voxel centres the nearest voxel's value is taken.
    """
    out = np.empty((channels.shape[0], *target.shape), dtype=np.float32)
    for index, channel in enumerate(channels):
        out[index] = _linear([np.asarray(channel, dtype=np.float32)], source, target)
    return out


def resample_held(held: list[np.ndarray], source: Geometry, target: Geometry) -> np.ndarray:
    """`resample_linear` of the only array of the list, which is emptied: a single channel that nobody else holds is
    gone once ITK has its copy."""
    channels = held.pop()
    if len(channels) > 1:
        return resample_linear(channels, source, target)
    single = [np.asarray(channels[0], dtype=np.float32)]
    del channels
    return _linear(single, source, target)[None]


def resample_nearest(label: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    """Integers of shape (*source) on another grid: each voxel takes the value of the nearest one."""
    from wardround.engine.imaging import itk

    return itk.from_itk(_resample([itk.to_itk(label, source)], target, itk.sitk.sitkNearestNeighbor))


def _linear(held: list[np.ndarray], source: Geometry, target: Geometry) -> np.ndarray:
    from wardround.engine.imaging import itk

    ordered = [itk.in_itk_order(held.pop())]
    images = [itk.from_ordered(ordered.pop(), source)]
    return itk.from_itk(_resample(images, target, itk.sitk.sitkLinear))


def _resample(held: list[Any], target: Geometry, interpolator: Any) -> Any:
    from wardround.engine.imaging import itk

    size, spacing, origin, direction = itk.itk_grid(target)
    resampler = itk.sitk.ResampleImageFilter()
    resampler.SetSize(size)
    resampler.SetOutputSpacing(spacing)
    resampler.SetOutputOrigin(origin)
    resampler.SetOutputDirection(direction)
    resampler.SetInterpolator(interpolator)
    resampler.SetUseNearestNeighborExtrapolator(True)
    return resampler.Execute(held.pop())
