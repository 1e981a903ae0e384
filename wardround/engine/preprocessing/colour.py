"""The preprocessing steps that bring pixels to known numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.parts.preprocessing.colour import Divide, Grayscale, NormalizeByValue, NormalizeImagenet
from wardround.engine.preprocessing.channelwise import each_channel, with_data
from wardround.engine.preprocessing.sample import Sample

_MEANS, _DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the colours of ImageNet, from 0 to 1."""
_LUMA = np.array([0.299, 0.587, 0.114])


class NormalizeByValueStep:
    """Subtract a mean and divide by a deviation."""

    version = 1

    def __init__(self, parameters: NormalizeByValue) -> None:
        self._mean, self._deviation = parameters.mean, parameters.deviation

    def apply(self, sample: Sample) -> Sample:
        """With one number for all channels, or one for each."""
        count = len(sample.image.data)
        return _scaled(sample, _for_each(self._mean, count), _for_each(self._deviation, count))


class DivideStep:
    """Divide by a number."""

    version = 1

    def __init__(self, parameters: Divide) -> None:
        self._by = parameters.by

    def apply(self, sample: Sample) -> Sample:
        """Every intensity."""
        count = len(sample.image.data)
        return _scaled(sample, (0.0,) * count, (self._by,) * count)


class NormalizeImagenetStep:
    """Bring colours to those of ImageNet."""

    version = 1

    def __init__(self, parameters: NormalizeImagenet) -> None:
        self._white = parameters.white

    def apply(self, sample: Sample) -> Sample:
        """Red, green and blue."""
        means, deviations = ([value * self._white for value in each] for each in (_MEANS, _DEVIATIONS))
        return _scaled(sample, means, deviations)


class GrayscaleStep:
    """Replace each colour by the grey of the pixel."""

    version = 1

    def __init__(self, parameters: Grayscale) -> None:
        """Without parameters."""

    def apply(self, sample: Sample) -> Sample:
        """Three channels that are alike."""
        data = np.ascontiguousarray(sample.image.data)
        out = np.empty(data.shape, dtype=np.float32)
        for part, *colours in zip(blocks(out[0]), *map(blocks, data), strict=True):
            part[...] = sum(weight * colour.astype(np.float64) for weight, colour in zip(_LUMA, colours, strict=True))
        out[1:] = out[0]
        return with_data(sample, out)


def _for_each(value: float | tuple[float, ...], count: int) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,) * count


def _scaled(sample: Sample, means: Sequence[float], deviations: Sequence[float]) -> Sample:
    pairs = zip(means, deviations, strict=True)
    return each_channel(sample, [partial(_scale, mean, deviation) for mean, deviation in pairs])


def _scale(mean: float, deviation: float, values: np.ndarray, out: np.ndarray) -> None:
    for part, found in zip(blocks(out), blocks(values), strict=True):
        np.divide(found.astype(np.float64) - mean, deviation, out=part, casting="same_kind")
