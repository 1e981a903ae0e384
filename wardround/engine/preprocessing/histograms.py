"""The preprocessing steps that change intensities by the histogram of each channel."""

from __future__ import annotations

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.problems import InputError
from wardround.engine.parts.preprocessing.histograms import HistogramEqualization, HistogramMatching, WhiteStripe
from wardround.engine.preprocessing.channelwise import (
    gathered,
    histogram_of,
    moments_of,
    per_channel,
    range_of,
    require_contrast,
)
from wardround.engine.preprocessing.landmarks import map_landmarks
from wardround.engine.preprocessing.percentiles import percentiles_of
from wardround.engine.preprocessing.sample import Sample

_STRIPE_BINS = 1024
_TAIL = 96.0
"""Percentile beyond which a last peak is not sought: fat and vessels that were left beside the brain."""
_LEAST_PEAK = 0.1
"""A peak that has not such a part of the highest one is noise."""
_LEAST_WIDTH = 80
"""Peaks are not told apart that lie nearer than such a part of the range."""


class HistogramEqualizationStep:
    """Per channel: each intensity becomes the share of voxels that are darker."""

    version = 1

    def __init__(self, parameters: HistogramEqualization) -> None:
        self._bins = parameters.bins

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose values are all equal."""
        return per_channel(sample, self._equalized)

    def _equalized(self, values: np.ndarray, out: np.ndarray) -> None:
        low, high = range_of(values)
        require_contrast(high - low, values, values.size)
        shares = np.cumsum(histogram_of(values, low, high, self._bins)) / values.size
        middles = low + (np.arange(self._bins) + 0.5) * ((high - low) / self._bins)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            part[...] = np.interp(found.astype(np.float64), middles, shares)


class HistogramMatchingStep:
    """Per channel: percentiles become the values of a reference."""

    version = 1

    def __init__(self, parameters: HistogramMatching) -> None:
        self._percentiles, self._within = parameters.percentiles, parameters.within
        self._reference = np.asarray(parameters.values)

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose percentiles are all one value."""
        return per_channel(sample, self._matched)

    def _matched(self, values: np.ndarray, out: np.ndarray) -> None:
        map_landmarks(values, out, self._percentiles, self._reference, self._within)


class WhiteStripeStep:
    """Per channel: mean and deviation are those of the voxels about the peak of white matter."""

    version = 1

    def __init__(self, parameters: WhiteStripe) -> None:
        self._last, self._width = parameters.contrast == "T1", parameters.width

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel without a nonzero voxel, or without contrast about its peak."""
        return per_channel(sample, self._normalized)

    def _normalized(self, values: np.ndarray, out: np.ndarray) -> None:
        mean, deviation = self._stripe(values, out)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            np.divide(found.astype(np.float64) - mean, deviation, out=part, casting="same_kind")
            part[found == 0] = 0

    def _stripe(self, values: np.ndarray, room: np.ndarray) -> tuple[float, float]:
        """Mean and deviation of the stripe."""
        brain = gathered(values, room, lambda found: found != 0)
        low, high = range_of(brain) if brain.size else (0.0, 0.0)
        require_contrast(high - low, values, brain.size, "nonzero")
        peak = self._peak(brain, low)
        share = float(np.count_nonzero(brain < peak)) / brain.size
        ends = 100 * max(share - self._width, 0.0), 100 * min(share + self._width, 1.0)
        start, end = percentiles_of(brain, ends)
        mean, deviation = moments_of(np.concatenate([part[(part >= start) & (part <= end)] for part in blocks(brain)]))
        if end - start <= 0 or deviation <= 0:
            raise InputError.one(
                "the voxels about the peak of white matter have no contrast",
                got=f"values about {peak:g} alone",
                remedy="Look at the image with `wardround preview`: is it the brain alone, with 0 around it? "
                "Or leave the case out",
            )
        return mean, deviation

    def _peak(self, brain: np.ndarray, low: float) -> float:
        """Where white matter is: the last peak of the histogram, or the highest. Sorts `brain`, in part."""
        (tail,) = percentiles_of(brain, (_TAIL,))
        end = tail if self._last and tail > low else float(brain.max())
        counts = histogram_of(brain, low, end, _STRIPE_BINS)
        counts[-1] -= sum(np.count_nonzero(part > end) for part in blocks(brain))  # the last bin has them too
        smooth = _smoothed(counts, brain.size)
        peaks = [place for place in _maxima(smooth) if smooth[place] >= _LEAST_PEAK * smooth.max()]
        place = peaks[-1] if self._last and peaks else int(smooth.argmax())
        return low + (place + 0.5) * (end - low) / _STRIPE_BINS


def _smoothed(counts: np.ndarray, size: int) -> np.ndarray:
    """A histogram as the density that Scott's rule gives (a Gaussian of n^(-1/5) standard deviations)."""
    from scipy import ndimage

    places = np.arange(len(counts))
    mean = np.average(places, weights=counts)
    spread = float(np.sqrt(np.average((places - mean) ** 2, weights=counts)))
    width = max(spread * size**-0.2, len(counts) / _LEAST_WIDTH)
    return np.asarray(ndimage.gaussian_filter1d(counts.astype(np.float64), width, mode="constant"))


def _maxima(values: np.ndarray) -> list[int]:
    """The places of values that are above those before, and not below those behind; the ends are none."""
    inner = (values[1:-1] > values[:-2]) & (values[1:-1] >= values[2:])
    return [int(place) + 1 for place in np.flatnonzero(inner)]
