"""Resampling onto another grid in physical space, through SimpleITK.

Along an axis whose voxels grow, values are made smooth before they are taken at the new voxels: structures that are
finer than these would turn into patterns that the image does not have. The filter is the Gaussian that makes the old
voxel's point spread function the new one's: with functions whose full width at half maximum is the voxel's size, its
variance is the difference of theirs, (new^2 - old^2) / (8 ln 2) (Cardoso et al. 2015,
doi:10.1007/978-3-319-24571-3_81; TorchIO does the same). Along the other axes nothing is made smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from wardround.engine.imaging.geometry import centre, direction_matrix
from wardround.engine.imaging.image import Geometry

_COARSE = 3.0
"""A side so many times as long as the shortest one is coarse, as nnU-Net has it."""


def grid_of(geometry: Geometry, shape: tuple[int, ...], spacing: tuple[float, ...]) -> Geometry:
    """A grid of another shape and spacing with the same axes and the same centre."""
    half = (np.asarray(shape) - 1) / 2 * np.asarray(spacing)
    origin = centre(geometry) - direction_matrix(geometry) @ half
    return Geometry(shape, spacing, tuple(origin.tolist()), geometry.direction)


def beginning_at(geometry: Geometry, first: Sequence[int], shape: tuple[int, ...]) -> Geometry:
    """A grid of the same voxels that begins at another one, and has another shape."""
    offset = direction_matrix(geometry) @ (np.asarray(first) * np.asarray(geometry.spacing))
    return replace(geometry, shape=shape, origin=tuple((np.asarray(geometry.origin) + offset).tolist()))


def resample_linear(channels: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    """float32 values of shape (channels, *source) on another grid, by linear interpolation of what `low_pass` leaves.

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


def resample_between_slices(held: list[np.ndarray], source: Geometry, target: Geometry) -> np.ndarray:
    """`resample_held`, on a grid of `grid_of`, but for the coarsest axis, where it is coarse: along that each new plane
    is the nearest old one."""
    axis = _coarse_axis(source.spacing, target.spacing)
    if axis is None or (source.shape[axis], source.spacing[axis]) == (target.shape[axis], target.spacing[axis]):
        return resample_held(held, source, target)
    shape = _with(target.shape, axis, source.shape[axis])
    within = grid_of(source, shape, _with(target.spacing, axis, source.spacing[axis]))
    is_same = (within.shape, within.spacing) == (source.shape, source.spacing)
    planes = held.pop() if is_same else resample_held(held, source, within)
    sides = source.shape[axis], source.spacing[axis], target.shape[axis], target.spacing[axis]
    return np.take(planes, _nearest_indices(*sides), axis=axis + 1)


def _coarse_axis(*spacings: tuple[float, ...]) -> int | None:
    """The longest side of the first spacing whose sides differ so much; None where none do."""
    for spacing in spacings:
        if max(spacing) > _COARSE * min(spacing):
            return spacing.index(max(spacing))
    return None


def _with(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])


def low_pass_deviations(source: Geometry, target: Geometry) -> tuple[float, ...]:
    """Standard deviation of the filter along each axis, in voxels of the source: 0 where voxels do not grow."""
    growths = (new / old for old, new in zip(source.spacing, target.spacing, strict=True))
    return tuple(math.sqrt(max(0.0, growth**2 - 1) / (8 * math.log(2))) for growth in growths)


def pick_nearest(label: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    """Integers of shape (*source) on a grid of `grid_of`: each voxel takes the value of the nearest one.

    Where two are equally near, as everywhere when voxels become twice as large, the lower and the upper one are taken
    in turn, in mirror image about the middle: always the same one would shift the mask by half a voxel against its
    image.
    """
    axes = zip(source.shape, source.spacing, target.shape, target.spacing, strict=True)
    return np.asarray(label[np.ix_(*(_nearest_indices(*axis) for axis in axes))])


def _nearest_indices(old: int, old_step: float, new: int, new_step: float) -> np.ndarray:
    numbers = np.arange(new)
    places = (old - 1) / 2 + (numbers - (new - 1) / 2) * (new_step / old_step)
    lower = np.floor(places)
    share = np.round(places - lower, 6)
    in_turn = np.where(numbers < new / 2, numbers % 2, 1 - numbers[::-1] % 2)
    upper = np.where(share == 0.5, in_turn, share > 0.5)
    return np.asarray(np.clip(lower + upper, 0, old - 1), dtype=np.intp)


def resample_nearest(label: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    """Integers of shape (*source) on another grid: each voxel takes the value of the nearest one."""
    from wardround.engine.imaging import itk

    return itk.from_itk(_resample([itk.to_itk(label, source)], target, itk.sitk.sitkNearestNeighbor))


def _linear(held: list[np.ndarray], source: Geometry, target: Geometry) -> np.ndarray:
    from wardround.engine.imaging import itk

    deviations = low_pass_deviations(source, target)
    ordered = [itk.in_itk_order(_low_passed(held, deviations))]
    images = [itk.from_ordered(ordered.pop(), source)]
    return itk.from_itk(_resample(images, target, itk.sitk.sitkLinear))


def _low_passed(held: list[np.ndarray], deviations: tuple[float, ...]) -> np.ndarray:
    """The only array of the list, smooth along the axes with a deviation; the array itself stays as it is."""
    if not any(deviations):
        return held.pop()
    from scipy import ndimage

    values = held.pop()
    own: np.ndarray | None = None
    for axis, deviation in enumerate(deviations):
        if deviation > 0:
            own = ndimage.gaussian_filter1d(values, deviation, axis, output=own, mode="nearest")
            values = own
    return values


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
