"""The preprocessing steps that are fitted to training cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.parts.preprocessing.fitted import CohortClip, CohortNormalize, Within
from wardround.engine.preprocessing.fitted import ChannelState, Scale, Window
from wardround.engine.preprocessing.requests import BINS, Ask, AskHistogram, AskKind, AskMoments, AskOctaves, Range
from wardround.engine.preprocessing.sample import Sample, Step
from wardround.engine.summaries import Histogram, Moments, Octaves, Summary
from wardround.engine.targets.numbers import LEAST_SPREAD

_FEWEST_BINS = 16
"""A window of fewer bins cannot be told from one value: a percentile is known to about a bin."""
_VOXELS: dict[Within, str] = {"all": "voxel", "nonzero": "nonzero voxel", "foreground": "voxel of a class"}


class CohortClipStep:
    """Learns two percentiles of each channel, in two passes: between which bins of octaves they lie, and where there.

    So a value that is far from all others, of a defect or of one hospital that tells nonsense, takes nothing from the
    sharpness with which the others are seen.
    """

    version = 1
    learns: type[ChannelState] = Window
    asks: tuple[AskKind, ...] = (AskOctaves, AskHistogram)

    def __init__(self, parameters: CohortClip) -> None:
        self._within = parameters.within
        self._shares = [percent / 100 for percent in parameters.percentiles]

    def next(self, answers: Sequence[Sequence[Summary]], inputs: Sequence[str]) -> Ask | tuple[ChannelState, ...]:
        """The next question, or the windows. Raises `InputError` for a channel without contrast."""
        if not answers:
            return AskOctaves()
        if len(answers) == 1:
            found = [self._range(summary, name) for summary, name in zip(answers[0], inputs, strict=True)]
            return AskHistogram(ranges=tuple(found), bins=BINS)
        return tuple(self._window(summary, name) for summary, name in zip(answers[1], inputs, strict=True))

    def _range(self, summary: Summary, name: str) -> Range:
        assert isinstance(summary, Octaves)
        if not summary.count:
            raise _without_voxels(name, self._within)
        ends = [summary.around(share) for share in self._shares]
        return Range(low=ends[0][0], high=ends[1][1])

    def _window(self, summary: Summary, name: str) -> Window:
        assert isinstance(summary, Histogram)
        low, high = (summary.quantile(share) for share in self._shares)
        if high - low < _FEWEST_BINS * summary.width:
            raise _without_contrast(name, f"{low:g} and {high:g} at the percentiles, among values of that size")
        return Window(low=low, high=high)

    def fitted(self, channels: Sequence[ChannelState]) -> Step:
        """The step that clips to these windows."""
        return _Clipping([state for state in channels if isinstance(state, Window)], self._within)


class _Clipping:
    """Limits each channel to its window. Within `nonzero`, zeros stay zero."""

    version = CohortClipStep.version

    def __init__(self, windows: Sequence[Window], within: Within) -> None:
        self._windows, self._within = windows, within

    def apply(self, sample: Sample) -> Sample:
        """Values below a window become its lower end, those above it its upper one."""
        out = np.empty(sample.image.data.shape, dtype=np.float32)
        for values, into, window in zip(sample.image.data, out, self._windows, strict=True):
            np.clip(values, window.low, window.high, out=into)
            if self._within == "nonzero":
                into[values == 0] = 0
        return replace(sample, image=Image(out, sample.image.geometry))


class CohortNormalizeStep:
    """Learns mean and standard deviation of each channel, in one pass."""

    version = 1
    learns: type[ChannelState] = Scale
    asks: tuple[AskKind, ...] = (AskMoments,)

    def __init__(self, parameters: CohortNormalize) -> None:
        self._within = parameters.within

    def next(self, answers: Sequence[Sequence[Summary]], inputs: Sequence[str]) -> Ask | tuple[ChannelState, ...]:
        """The question, or the scales. Raises `InputError` for a channel without contrast."""
        if not answers:
            return AskMoments()
        return tuple(self._scale(summary, name) for summary, name in zip(answers[0], inputs, strict=True))

    def _scale(self, summary: Summary, name: str) -> Scale:
        assert isinstance(summary, Moments)
        if not summary.count:
            raise _without_voxels(name, self._within)
        if summary.deviation < LEAST_SPREAD:
            raise _without_contrast(name, f"{summary.count:,} voxels of the value {summary.mean:g}")
        return Scale(mean=summary.mean, deviation=summary.deviation)

    def fitted(self, channels: Sequence[ChannelState]) -> Step:
        """The step that normalises with these scales."""
        return _Normalizing([state for state in channels if isinstance(state, Scale)], self._within)


class _Normalizing:
    """Subtracts the mean of each channel and divides by its standard deviation. Within `nonzero`, zeros stay zero."""

    version = CohortNormalizeStep.version

    def __init__(self, scales: Sequence[Scale], within: Within) -> None:
        self._scales, self._within = scales, within

    def apply(self, sample: Sample) -> Sample:
        """The sample on the scale of the training cases."""
        data = np.ascontiguousarray(sample.image.data)
        out = np.empty(data.shape, dtype=np.float32)
        for values, into, scale in zip(data, out, self._scales, strict=True):
            for part, found in zip(blocks(into), blocks(values), strict=True):
                np.divide(found.astype(np.float64) - scale.mean, scale.deviation, out=part, casting="same_kind")
                if self._within == "nonzero":
                    part[found == 0] = 0
        return replace(sample, image=Image(out, sample.image.geometry))


def _without_voxels(name: str, within: Within) -> InputError:
    return InputError.one(
        "the training cases give nothing to fit this step to",
        where=f"channel {name}",
        got=f"no {_VOXELS[within]} in any of them",
        remedy="Give training cases that have some, or write `within: all`",
    )


def _without_contrast(name: str, got: str) -> InputError:
    remedy = "Look at the images of the training cases with `wardround preview`, or leave the step out"
    return InputError.one(
        "the training cases have no contrast to fit this step to", where=f"channel {name}", got=got, remedy=remedy
    )
