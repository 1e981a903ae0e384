"""The preprocessing steps that limit intensities, or normalise them, by what each channel of a case has."""

from __future__ import annotations

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.parts.preprocessing.intensity import ClipPercentiles, RobustNormalize, Threshold
from wardround.engine.preprocessing.channelwise import (
    chooser,
    gathered,
    per_channel,
    require_contrast,
    with_data,
)
from wardround.engine.preprocessing.percentiles import percentiles_of
from wardround.engine.preprocessing.sample import Sample


class ClipPercentilesStep:
    """Per channel: limit intensities to two percentiles."""

    version = 1

    def __init__(self, parameters: ClipPercentiles) -> None:
        self._percentiles, self._within = parameters.percentiles, parameters.within

    def apply(self, sample: Sample) -> Sample:
        """Within `nonzero` zeros stay zero. A channel without a voxel that counts stays as it is: there is nothing to
        limit."""
        return per_channel(sample, self._clipped)

    def _clipped(self, values: np.ndarray, out: np.ndarray) -> None:
        is_chosen = chooser(self._within, values)
        found = _room_with(values, out) if is_chosen is None else gathered(values, out, is_chosen)
        if not found.size:
            out[...] = values
            return
        low, high = percentiles_of(found, self._percentiles)
        np.clip(values, np.float32(low), np.float32(high), out=out)
        if is_chosen is not None:
            out[values == 0] = 0


class ThresholdStep:
    """Set intensities below one value or above another to a third one."""

    version = 1

    def __init__(self, parameters: Threshold) -> None:
        self._low, self._high, self._value = parameters.low, parameters.high, parameters.value

    def apply(self, sample: Sample) -> Sample:
        """Intensities between the two, and those that equal one of them, stay."""
        data = np.array(sample.image.data, dtype=np.float32, order="C")
        for part in blocks(data):
            outside = np.zeros(part.shape, dtype=bool)
            if self._low is not None:
                outside |= part < self._low
            if self._high is not None:
                outside |= part > self._high
            part[outside] = self._value
        return with_data(sample, data)


class RobustNormalizeStep:
    """Per channel: subtract the median and divide by the range between the quartiles."""

    version = 1

    def __init__(self, parameters: RobustNormalize) -> None:
        self._within = parameters.within

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel of which half of the voxels that count have one value."""
        return per_channel(sample, self._normalized)

    def _normalized(self, values: np.ndarray, out: np.ndarray) -> None:
        is_chosen = chooser(self._within, values)
        found = _room_with(values, out) if is_chosen is None else gathered(values, out, is_chosen)
        first, median, third = percentiles_of(found, (25, 50, 75)) if found.size else (0.0, 0.0, 0.0)
        require_contrast(third - first, values, found.size, self._within)
        for part, given in zip(blocks(out), blocks(values), strict=True):
            np.divide(given.astype(np.float64) - median, third - first, out=part, casting="same_kind")
            if is_chosen is not None:
                part[given == 0] = 0


def _room_with(values: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The values in the memory of `room`, where they may be sorted."""
    room[...] = values
    return room.reshape(-1)
