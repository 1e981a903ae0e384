"""The preprocessing steps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.parts.preprocessing import (
    Clip,
    Grid,
    Orient,
    Resample,
    ResampleAxis,
    ResampleMin,
    Rescale,
    Resize,
    ZNormalize,
)
from wardround.engine.preprocessing import orientation
from wardround.engine.preprocessing.channelwise import (
    chooser,
    gathered,
    moments_of,
    per_channel,
    require_contrast,
    with_data,
)
from wardround.engine.preprocessing.percentiles import percentiles_of
from wardround.engine.preprocessing.resampling import grid_of, pick_nearest, resample_between_slices, resample_held
from wardround.engine.preprocessing.sample import Sample

Regridding = Resample | ResampleAxis | ResampleMin | Resize
_ROUNDING = 1e-13
"""Relative; the least deviation of single-precision values that differ is a multiple of it in any image."""
Resampler = Callable[[list[np.ndarray], Geometry, Geometry], np.ndarray]


class OrientStep:
    """Reorder and flip the axes of a 3D case to an anatomical orientation. Exact: nothing is interpolated."""

    version = 1

    def __init__(self, parameters: Orient) -> None:
        self._axes = parameters.axes

    def apply(self, sample: Sample) -> Sample:
        """The same voxels at the same places in space, in another order."""
        change = orientation.towards(sample.image.geometry, self._axes)
        if change.is_identity:
            return sample
        image = Image(_laid_out(change.apply(sample.image.data)), change.apply_to_grid(sample.image.geometry))
        label, wanted = (
            None if each is None else _laid_out(change.apply(each)) for each in (sample.label, sample.wanted)
        )
        return Sample(image, label, wanted=wanted)


class ResampleStep:
    """Resample to a spacing in mm: as many voxels as fit the extent best, about the same centre."""

    version = 2

    def __init__(self, parameters: Resample) -> None:
        self._parameters = parameters

    def apply(self, sample: Sample) -> Sample:
        """Linear for images, after a low-pass filter along axes whose voxels grow; nearest neighbour for the mask.

        Unchanged if the spacing is already right.
        """
        held = [sample]
        del sample
        coarse = self._parameters.coarse_axis == "nearest"
        return _regridded(held, self._parameters, resample_between_slices if coarse else resample_held)


class ResizeStep:
    """Resample to a number of pixels or voxels per axis over the same extent."""

    version = 2

    def __init__(self, parameters: Resize | ResampleAxis | ResampleMin) -> None:
        self._parameters = parameters

    def apply(self, sample: Sample) -> Sample:
        """Linear for images, after a low-pass filter along axes whose voxels grow; nearest neighbour for the mask.

        Unchanged if the grid is already right.
        """
        held = [sample]
        del sample
        return _regridded(held, self._parameters)


class ResampleAxisStep(ResizeStep):
    """Resample along one axis."""


class ResampleMinStep(ResizeStep):
    """Resample to the shortest side of a case's voxels."""


class ClipStep:
    """Limit intensities to a range."""

    version = 1

    def __init__(self, parameters: Clip) -> None:
        self._low, self._high = parameters.low, parameters.high

    def apply(self, sample: Sample) -> Sample:
        """Values below `low` become `low`, those above `high` become `high`."""
        return with_data(sample, np.clip(sample.image.data, self._low, self._high))


class ZNormalizeStep:
    """Per channel: subtract the mean and divide by the standard deviation.

    Within `nonzero` both come from the voxels that are not zero, and the others stay zero: a background that was cut
    out stays at the value with which patches are padded.
    """

    version = 1

    def __init__(self, parameters: ZNormalize) -> None:
        self._within, self._zeroes = parameters.within, parameters.zeroes

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose values are all equal."""
        return per_channel(sample, self._normalized)

    def _normalized(self, values: np.ndarray, out: np.ndarray) -> None:
        is_chosen = chooser(self._within, values)
        chosen = values.reshape(-1) if is_chosen is None else gathered(values, out, is_chosen)
        mean, deviation = moments_of(chosen)
        # The mean of equal values is theirs but for rounding, and so their deviation is not always zero.
        require_contrast(deviation - _ROUNDING * abs(mean), values, chosen.size, self._within)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            np.divide(found.astype(np.float64) - mean, deviation, out=part, casting="same_kind")
            if is_chosen is not None and self._zeroes:
                part[~is_chosen(found)] = 0


class RescaleStep:
    """Per channel: map two percentiles linearly to `low` and `high`, and clip there."""

    version = 1

    def __init__(self, parameters: Rescale) -> None:
        self._low, self._high = parameters.low, parameters.high
        self._percentiles, self._source = parameters.percentiles, parameters.source

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel in which the two percentiles are equal."""
        return per_channel(sample, self._rescaled)

    def _rescaled(self, values: np.ndarray, out: np.ndarray) -> None:
        start, end = self._source or self._ends(values, out)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            unit = (found.astype(np.float64) - start) / (end - start)
            part[...] = np.clip(self._low + unit * (self._high - self._low), self._low, self._high)

    def _ends(self, values: np.ndarray, room: np.ndarray) -> tuple[float, float]:
        room[...] = values  # to be sorted there; it is overwritten afterwards
        start, end = percentiles_of(room.reshape(-1), self._percentiles)
        require_contrast(end - start, values, values.size)
        return start, end


def _regridded(held: list[Sample], parameters: Regridding, resampled: Resampler = resample_held) -> Sample:
    """The only sample of the list on the grid that a step leaves. The list is emptied, so that voxels which nobody else
    holds are gone as soon as they are copied."""
    sample = held.pop()
    source, data = sample.image.geometry, [sample.image.data]
    before = Grid(source.shape, source.spacing)
    after = parameters.grid_after(before)
    if after == before:
        return sample
    target = grid_of(source, after.shape, after.spacing)
    label = None if sample.label is None else pick_nearest(sample.label, source, target)
    wanted = None if sample.wanted is None else resampled([sample.wanted], source, target)
    del sample
    return Sample(Image(resampled(data, source, target), target), label, wanted=wanted)


def _laid_out(array: np.ndarray) -> np.ndarray:
    """A copy in C order: a rearranged view would keep the array that it came from alive."""
    return np.array(array, order="C")
