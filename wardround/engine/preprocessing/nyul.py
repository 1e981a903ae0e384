"""The preprocessing step that brings histograms to landmarks that it has learned from training cases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.parts.preprocessing.fitted import LANDMARKS, Nyul
from wardround.engine.preprocessing.channelwise import Chosen, each_channel
from wardround.engine.preprocessing.fitted import ChannelState, Standard
from wardround.engine.preprocessing.landmarks import map_landmarks
from wardround.engine.preprocessing.requests import Ask, AskKind, AskLandmarks
from wardround.engine.preprocessing.sample import Sample, Step
from wardround.engine.summaries import Landmarks, Summary


class NyulStep:
    """Learns the mean landmarks of each channel, in one pass."""

    version = 1
    learns: type[ChannelState] = Standard
    asks: tuple[AskKind, ...] = (AskLandmarks,)

    def __init__(self, parameters: Nyul) -> None:
        self._within: Chosen = parameters.within

    def next(self, answers: Sequence[Sequence[Summary]], inputs: Sequence[str]) -> Ask | tuple[ChannelState, ...]:
        """The question, or the landmarks. Raises `InputError` for a channel without a voxel in any case."""
        if not answers:
            return AskLandmarks()
        return tuple(_standard(summary, name) for summary, name in zip(answers[0], inputs, strict=True))

    def fitted(self, channels: Sequence[ChannelState]) -> Step:
        """The step that maps to these landmarks."""
        return _Mapping([state for state in channels if isinstance(state, Standard)], self._within)


class _Mapping:
    """Maps each channel to its landmarks. Within `nonzero`, zeros stay zero."""

    version = NyulStep.version

    def __init__(self, standards: Sequence[Standard], within: Chosen) -> None:
        self._landmarks = [np.asarray(standard.landmarks) for standard in standards]
        self._within = within

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose landmarks are all one value."""
        return each_channel(sample, [partial(self._mapped, landmarks) for landmarks in self._landmarks])

    def _mapped(self, standard: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
        map_landmarks(values, out, LANDMARKS, standard, self._within)


def _standard(summary: Summary, name: str) -> Standard:
    assert isinstance(summary, Landmarks)
    if not summary.count:
        raise InputError.one(
            "the training cases give nothing to fit this step to",
            where=f"channel {name}",
            got="no nonzero voxel in any of them",
            remedy="Give training cases that have some, or write `within: all`",
        )
    return Standard(landmarks=summary.means)
