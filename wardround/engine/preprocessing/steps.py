"""The preprocessing steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.types import Geometry, Image
from wardround.engine.parts.preprocessing import Clip, Orient, Resample, Rescale, Resize, ZNormalize
from wardround.engine.preprocessing import orientation
from wardround.engine.preprocessing.resampling import grid_of, resample_linear, resample_nearest
from wardround.engine.preprocessing.sample import Sample


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
        image = Image(change.apply(sample.image.data), change.apply_to_grid(sample.image.geometry))
        return Sample(image, None if sample.label is None else change.apply(sample.label))


class ResampleStep:
    """Resample to a spacing in mm: as many voxels as fit the extent best, about the same centre."""

    version = 1

    def __init__(self, parameters: Resample) -> None:
        self._spacing = parameters.spacing

    def apply(self, sample: Sample) -> Sample:
        """Linear for the image, nearest neighbour for the mask; unchanged if the spacing is already right."""
        old = sample.image.geometry
        if np.allclose(old.spacing, self._spacing, rtol=1e-6, atol=0):
            return sample
        extents = zip(old.shape, old.spacing, self._spacing, strict=True)
        shape = tuple(max(1, round(size * before / after)) for size, before, after in extents)
        return _resampled(sample, grid_of(old, shape, self._spacing))


class ResizeStep:
    """Resample to a number of pixels or voxels per axis over the same extent."""

    version = 1

    def __init__(self, parameters: Resize) -> None:
        self._size = parameters.size

    def apply(self, sample: Sample) -> Sample:
        """Linear for the image, nearest neighbour for the mask; unchanged if the size is already right."""
        old = sample.image.geometry
        if old.shape == self._size:
            return sample
        extents = zip(old.shape, old.spacing, self._size, strict=True)
        spacing = tuple(before * step / after for before, step, after in extents)
        return _resampled(sample, grid_of(old, self._size, spacing))


class ClipStep:
    """Limit intensities to a range."""

    version = 1

    def __init__(self, parameters: Clip) -> None:
        self._low, self._high = parameters.low, parameters.high

    def apply(self, sample: Sample) -> Sample:
        """Values below `low` become `low`, those above `high` become `high`."""
        return _with_data(sample, np.clip(sample.image.data, self._low, self._high))


class ZNormalizeStep:
    """Per channel: subtract the mean and divide by the standard deviation.

    Within `nonzero` both come from the voxels that are not zero, and the others stay zero: a background that was cut
    out stays at the value with which patches are padded.
    """

    version = 1

    def __init__(self, parameters: ZNormalize) -> None:
        self._nonzero = parameters.within == "nonzero"

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose values are all equal."""
        return _per_channel(sample, self._normalized)

    def _normalized(self, values: np.ndarray) -> np.ndarray:
        inside = values != 0 if self._nonzero else np.ones(values.shape, dtype=bool)
        chosen = values[inside].astype(np.float64)
        deviation = chosen.std() if chosen.size else 0.0
        _require_contrast(float(deviation), chosen)
        out = np.zeros_like(values)
        out[inside] = (chosen - chosen.mean()) / deviation
        return out


class RescaleStep:
    """Per channel: map two percentiles linearly to `low` and `high`, and clip there."""

    version = 1

    def __init__(self, parameters: Rescale) -> None:
        self._low, self._high = parameters.low, parameters.high
        self._percentiles = parameters.percentiles

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel in which the two percentiles are equal."""
        return _per_channel(sample, self._rescaled)

    def _rescaled(self, values: np.ndarray) -> np.ndarray:
        start, end = (float(value) for value in np.percentile(values.astype(np.float64), self._percentiles))
        _require_contrast(end - start, values)
        unit = (values.astype(np.float64) - start) / (end - start)
        return np.clip(self._low + unit * (self._high - self._low), self._low, self._high).astype(np.float32)


def _resampled(sample: Sample, target: Geometry) -> Sample:
    source = sample.image.geometry
    label = None if sample.label is None else resample_nearest(sample.label, source, target)
    return Sample(Image(resample_linear(sample.image.data, source, target), target), label)


def _with_data(sample: Sample, data: np.ndarray) -> Sample:
    return replace(sample, image=Image(data, sample.image.geometry))


def _per_channel(sample: Sample, change: Callable[[np.ndarray], np.ndarray]) -> Sample:
    return _with_data(sample, np.stack([change(channel) for channel in sample.image.data]))


def _require_contrast(spread: float, values: np.ndarray) -> None:
    if spread <= 0:
        got = f"{values.size:,} voxels of the value {float(values.flat[0]):g}" if values.size else "no nonzero voxel"
        raise InputError.one("a channel without contrast cannot be normalised", got=got, remedy="Leave the case out")
