"""Metrics of images that are made from images, channel by channel. Imports no torch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy import ndimage

from wardround.engine.metrics.numbers import correlation
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts import Parameters
from wardround.engine.parts.metrics.images import HIGHEST, Ranged

_SIGMA, _RADIUS = 1.5, 5
_STABLE = (0.01, 0.03)


class ImageMetric(ABC):
    """A score of each channel of an image, and their mean."""

    name: ClassVar[str]

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], names: Sequence[str]
    ) -> dict[str, float]:
        """The metric and, where there are several channels, `<metric>.<channel>`, of images (channels, *grid).

        Undefined ones are left out. Raises ValueError where shapes differ.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"a prediction of shape {prediction.shape} for a truth of shape {truth.shape}")
        found = {}
        for name, one, other in zip(names, prediction, truth, strict=True):
            value = self.score(one.astype(np.float64), other.astype(np.float64))
            if value is not None:
                found[name] = value
        return named_scores(self.name, found)

    @abstractmethod
    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """Of one channel, float64; None where it is undefined."""


class RangedMetric(ImageMetric):
    """One that is relative to the range of values. Undefined where none is given and the truth is constant."""

    def __init__(self, parameters: Ranged) -> None:
        super().__init__(parameters)
        self._range = parameters.data_range

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """By the range that is given, or the truth's."""
        data_range = self._range or float(np.ptp(known))
        return self.within(predicted, known, data_range) if data_range else None

    @abstractmethod
    def within(self, predicted: np.ndarray, known: np.ndarray, data_range: float) -> float | None:
        """Of images with this range of values."""


class SSIMMetric(RangedMetric):
    """Mean structural similarity (Wang et al. 2004) over the windows that lie within the image. Undefined for an image
    that is thinner than a window of 11 voxels."""

    name = "ssim"

    def within(self, predicted: np.ndarray, known: np.ndarray, data_range: float) -> float | None:
        """From means, variances and covariance within each window."""
        if min(known.shape) <= 2 * _RADIUS:
            return None
        first, second = ((constant * data_range) ** 2 for constant in _STABLE)
        one, other = _smoothed(predicted), _smoothed(known)
        spread = _smoothed(predicted**2) - one**2 + _smoothed(known**2) - other**2
        together = _smoothed(predicted * known) - one * other
        level = (2 * one * other + first) / (one**2 + other**2 + first)
        return float(np.clip((level * (2 * together + second) / (spread + second)).mean(), -1.0, 1.0))


class PSNRMetric(RangedMetric):
    """10 log10(range^2 / mean squared error) in decibels, at most 200."""

    name = "psnr"

    def within(self, predicted: np.ndarray, known: np.ndarray, data_range: float) -> float | None:
        """The highest where nothing differs."""
        error = float(np.square((predicted - known) / data_range).mean())
        return min(HIGHEST, -10 * math.log10(error)) if error else HIGHEST


class NCCMetric(ImageMetric):
    """Pearson's correlation of the voxels of prediction and truth."""

    name = "ncc"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """From -1 to 1."""
        return correlation(predicted.ravel(), known.ravel())


def _smoothed(image: np.ndarray) -> np.ndarray:
    """Weighted by the window about each voxel that is far enough from the border."""
    smooth = ndimage.gaussian_filter(image, _SIGMA, radius=_RADIUS)
    return np.asarray(smooth[(slice(_RADIUS, -_RADIUS),) * image.ndim])
