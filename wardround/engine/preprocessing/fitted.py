"""What preprocessing has learned from training cases: the state of fitted steps, and the scale of numbers to predict.

A state is data: it is hashed, kept beside a model's weights, and travels. It is made from training cases alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, JsonValue, model_validator

from wardround.engine.basics.canonical import canonical_json, digest_of, sha256_hex
from wardround.engine.basics.closed import Added, Closed
from wardround.engine.parts import Kind
from wardround.engine.parts.preprocessing import FittedParameters, step_of
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse


class Window(Closed):
    """A range of intensities of one channel."""

    kind: Literal["window"] = "window"
    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError("a window has its lower end below its upper one")
        return self


class Scale(Closed):
    """Mean and standard deviation of one channel, or of one number to predict."""

    kind: Literal["scale"] = "scale"
    mean: FiniteFloat
    deviation: Annotated[FiniteFloat, Field(gt=0)]


class Standard(Closed):
    """The landmarks that those of every image become, of one channel, from 0 to 100."""

    kind: Literal["standard"] = "standard"
    landmarks: tuple[Annotated[float, Field(ge=0, le=100)], ...] = Field(min_length=2, max_length=101)

    @model_validator(mode="after")
    def _from_end_to_end(self) -> Self:
        if self.landmarks[0] != 0 or self.landmarks[-1] != 100 or any(a > b for a, b in pairwise(self.landmarks)):
            raise ValueError("landmarks grow from 0 to 100")
        return self


ChannelState = Annotated[Window | Scale | Standard, Field(discriminator="kind")]
"""What a fitted step has learned of one channel."""


class StepState(Closed):
    """What one step has learned: its place among the study's steps, from 0, and a state for each channel.

    Of a step that changes some channels alone, `inputs` has the places of these, and `channels` a state for each.
    """

    place: Annotated[int, Field(ge=0)]
    channels: tuple[ChannelState, ...] = Field(min_length=1)
    inputs: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Added("0.4.0")] = ()

    def of_channel(self, channel: int) -> ChannelState | None:
        """What it has learned of the channel at a place; None where it does not change that."""
        if channel in self.inputs:
            return self.channels[self.inputs.index(channel)]
        return self.channels[channel] if not self.inputs and channel < len(self.channels) else None


class FittedState(Closed):
    """All that was learned of the training cases of one split.

    Attributes:
        cases: how many training cases it was learned from.
        steps: of each fitted step, in order.
        truth: mean and spread of each number to predict; empty for other tasks.
        columns: mean and spread of each column of numbers that the network is given, in order.
    """

    format: Literal[1] = 1
    cases: Annotated[int, Field(ge=0)] = 0
    steps: tuple[StepState, ...] = ()
    truth: tuple[Scale, ...] = ()
    columns: Annotated[tuple[Scale, ...], Added("0.4.0")] = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if any(one.place >= other.place for one, other in pairwise(self.steps)):
            raise ValueError("each step has one state, in the order of the steps")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether nothing was fitted."""
        return not (self.steps or self.truth or self.columns)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON; empty where nothing was fitted, as it always was."""
        return "" if self.is_empty else digest_of(self)

    @property
    def steps_digest(self) -> str:
        """SHA-256 of what changes voxels: the states of steps alone; empty where there is none."""
        steps: list[JsonValue] = [step.model_dump(mode="json") for step in self.steps]
        return sha256_hex(canonical_json(steps)) if steps else ""

    def of(self, place: int) -> StepState | None:
        """The state of the step at a place; None where there is none."""
        return next((step for step in self.steps if step.place == place), None)

    def before(self, place: int) -> FittedState:
        """The states of the steps that come before a place."""
        return FittedState(cases=self.cases, steps=tuple(step for step in self.steps if step.place < place))


EMPTY = FittedState()
"""Of a study that fits nothing."""


def channels_of(use: PartUse, inputs: Sequence[str]) -> tuple[int, ...]:
    """The places of the channels that a step changes, in the order of the inputs."""
    reached = use.ask(Kind.PREPROCESSING, lambda step: [step_of(step).reaches(name) for name in inputs])
    return tuple(place for place, name in enumerate(reached) if name)


def fitted_places(study: Study) -> tuple[int, ...]:
    """The places, from 0, of those of the study's steps that are fitted to training cases."""
    uses = enumerate(study.preprocessing)
    return tuple(place for place, use in uses if isinstance(use.parameters, FittedParameters))
