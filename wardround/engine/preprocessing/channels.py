"""Steps that work on some channels of a case alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wardround.engine.imaging.image import Image
from wardround.engine.preprocessing.sample import Sample, Step


class OfChannels:
    """A step that is given some of the channels, as if a case had no others. It leaves every voxel in its place."""

    def __init__(self, step: Step, channels: Sequence[int]) -> None:
        self._step, self._channels = step, [*channels]
        self.version = step.version

    def apply(self, sample: Sample) -> Sample:
        """The sample with these channels as the step gives them, and the others as they were."""
        chosen = replace(sample, image=Image(sample.image.data[self._channels], sample.image.geometry))
        found = self._step.apply(chosen).image
        del chosen
        out = np.array(sample.image.data, dtype=np.float32, order="C")
        out[self._channels] = found.data
        return replace(sample, image=Image(out, found.geometry))
