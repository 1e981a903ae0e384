"""The preprocessing steps that make an image smooth."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from wardround.engine.parts.preprocessing.smoothing import GaussianSmooth, MedianFilter
from wardround.engine.preprocessing.channelwise import per_channel
from wardround.engine.preprocessing.sample import Sample


class MedianFilterStep:
    """Each voxel becomes the median of its neighbourhood."""

    version = 1

    def __init__(self, parameters: MedianFilter) -> None:
        self._side = 2 * parameters.radius + 1

    def apply(self, sample: Sample) -> Sample:
        """Of the same size."""
        return per_channel(sample, self._filtered)

    def _filtered(self, values: np.ndarray, out: np.ndarray) -> None:
        ndimage.median_filter(values, self._side, output=out, mode="reflect")


class GaussianSmoothStep:
    """A Gaussian of one width in mm."""

    version = 1

    def __init__(self, parameters: GaussianSmooth) -> None:
        self._sigma = parameters.sigma

    def apply(self, sample: Sample) -> Sample:
        """Of the same size."""
        deviations = [self._sigma / step for step in sample.image.geometry.spacing]

        def smooth(values: np.ndarray, out: np.ndarray) -> None:
            source = values
            for axis, deviation in enumerate(deviations):
                ndimage.gaussian_filter1d(source, deviation, axis, output=out, mode="nearest")
                source = out

        return per_channel(sample, smooth)
