"""What a preprocessing step takes and gives, and what one that is fitted has to do before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.preprocessing.fitted import ChannelState
from wardround.engine.preprocessing.requests import Ask, AskKind
from wardround.engine.summaries import Summary


@dataclass(frozen=True)
class Sample:
    """A case in memory.

    Attributes:
        image: float32 voxels of shape (channels, *spatial) and their grid.
        label: class indices of shape (*spatial) on the same grid, uint8 or uint16; None where there is no mask.
        wanted: float32 voxels of shape (targets, *spatial) on the same grid, of images that are to be made; None where
            there are none. They move as the image does, and keep their intensities.
        cut_to: grids that end where it was cut so far (`native.seen_after`). The pipeline keeps it: steps need not.
    """

    image: Image
    label: np.ndarray | None
    cut_to: tuple[Geometry, ...] = ()
    wanted: np.ndarray | None = None


class Step(Protocol):
    """One preprocessing step, made from its parameters.

    `version` grows whenever the same parameters would give other voxels, so that stored cases are made anew.
    """

    version: int

    def apply(self, sample: Sample) -> Sample:
        """The sample after this step; the argument stays as it is."""


class FittableStep(Protocol):
    """A step that has to learn from training cases first. Its parameters are a `FittedParameters`.

    `version` is as that of a step. `learns` is the type of what it learns of each channel, and `asks` the kinds of its
    questions, in order.
    """

    version: int
    learns: type[ChannelState]
    asks: tuple[AskKind, ...]

    def next(self, answers: Sequence[Sequence[Summary]], inputs: Sequence[str]) -> Ask | tuple[ChannelState, ...]:
        """The next question, after the answers to each so far, which have a summary for each channel; or what it has
        learned of each channel. `inputs` names the channels. Raises `InputError` where there is nothing to learn."""

    def fitted(self, channels: Sequence[ChannelState]) -> Step:
        """The step with what it has learned, one state of the type `learns` for each channel."""


@contextlib.contextmanager
def naming_step(name: str) -> Iterator[None]:
    """While a step is at work: problems name it."""
    try:
        yield
    except InputError as error:
        place = f"preprocessing step {name}"
        raise InputError(
            replace(problem, where=f"{place}, {problem.where}" if problem.where else place)
            for problem in error.problems
        ) from None
