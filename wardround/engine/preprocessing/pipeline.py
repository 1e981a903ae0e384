"""A study's preprocessing as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from pydantic import JsonValue

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.parts import BreachError, Kind, Parameters, Part, answering
from wardround.engine.parts.preprocessing import FittedParameters, step_of
from wardround.engine.preprocessing.channels import OfChannels
from wardround.engine.preprocessing.fitted import EMPTY, FittedState, StepState, channels_of
from wardround.engine.preprocessing.native import seen_after
from wardround.engine.preprocessing.sample import FittableStep, Sample, Step, naming_step
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse


class Pipeline:
    """The study's steps, in order, with what those that are fitted have learned from training cases.

    Made once for a split, from its training cases alone, and handed down to whoever prepares a case.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        """A fitted step that `state` says nothing of takes part in all but `apply`, which refuses to run it."""
        self.study, self.state = study, state
        uses = enumerate(study.preprocessing)
        self._stages = tuple(_Stage.of(use, state.of(place), study) for place, use in uses)

    @property
    def signature(self) -> JsonValue:
        """What determines the outcome: each step's name, parameters and version, and the fitted state."""
        steps: list[JsonValue] = [
            {
                "name": stage.use.name,
                "parameters": stage.use.parameters.model_dump(mode="json"),
                "version": stage.step.version,
                # Names of inputs are no part of a case: in another study the same name may be another channel's.
                **({"channels": [*stage.channels]} if len(stage.channels) < len(self.study.inputs) else {}),
            }
            for stage in self._stages
        ]
        return {"steps": steps, "state": self.state.steps_digest}

    @property
    def versions(self) -> dict[str, int]:
        """The version of each step by its name: with another one, the same study gives other voxels."""
        return {stage.use.name: stage.step.version for stage in self._stages}

    def apply(self, sample: Sample) -> Sample:
        """The sample after all steps: contiguous, the image float32. Raises `InputError` that names the step where one
        cannot work.

        No step's input is kept alive beyond the step: whoever keeps no reference to `sample` needs, at any time, about
        the room of what goes into a step and what comes out of it.
        """
        held = [sample]
        del sample
        return self.apply_between(0, len(self._stages), held)

    def apply_between(self, start: int, stop: int, held: list[Sample]) -> Sample:
        """The only sample of the list, which is emptied, after the steps from the place `start` to before `stop`."""
        cut_to = held[0].cut_to
        for stage in self._stages[start:stop]:
            before, grid = _Form.of(held[0]), held[0].image.geometry
            with naming_step(stage.part.name), answering(stage.part.owner):
                held.append(stage.ready.apply(held.pop()))
                before.require(held[0])
            if stage.cuts:
                cut_to = (*cut_to, seen_after(grid, held[0].image.geometry))
        sample = held.pop()
        data = np.ascontiguousarray(sample.image.data, dtype=np.float32)
        label = None if sample.label is None else np.ascontiguousarray(sample.label)
        wanted = None if sample.wanted is None else np.ascontiguousarray(sample.wanted, dtype=np.float32)
        return Sample(Image(data, sample.image.geometry), label, cut_to, wanted)


@dataclass(frozen=True)
class _Stage:
    """One step of a study; where it has to be fitted, `fitted` is what it became by that, if it was.

    `channels` are the places of those that it changes, of `inputs` in all; `cuts` tells whether it cuts voxels off.
    """

    use: PartUse
    part: Part
    step: Step | FittableStep
    fitted: Step | None
    channels: tuple[int, ...]
    inputs: int
    cuts: bool

    @classmethod
    def of(cls, use: PartUse, state: StepState | None, study: Study) -> _Stage:
        part = use.part(Kind.PREPROCESSING)
        step = _made(part, use.parameters)
        cuts = use.ask(Kind.PREPROCESSING, lambda parameters: step_of(parameters).cuts)
        about = channels_of(use, study.inputs), len(study.inputs), cuts
        if not isinstance(use.parameters, FittedParameters):
            return cls(use, part, step, cast(Step, step), *about)
        fittable = cast(FittableStep, step)
        if state is None:
            return cls(use, part, fittable, None, *about)
        with answering(part.owner):
            return cls(use, part, fittable, fittable.fitted(state.channels), *about)

    @property
    def ready(self) -> Step:
        """The step at work. Raises `InputError` where it has not been fitted."""
        if self.fitted is None:
            raise InputError.one(
                "this step has learned nothing yet, and cannot be used before",
                expected="values that were fitted to training cases",
                remedy="`wardround fit` does that first; a model folder holds them",
            )
        return self.fitted if len(self.channels) == self.inputs else OfChannels(self.fitted, self.channels)


def _made(part: Part, parameters: Parameters) -> Step | FittableStep:
    step: Step | FittableStep = part.make(parameters)
    with answering(part.owner):
        if not isinstance(step.version, int):
            raise BreachError(f"the version {step.version!r}", "a whole number, raised whenever the outcome changes")
    return step


def other_versions(study: Study, known: Mapping[str, JsonValue]) -> dict[str, int]:
    """The versions of those of the study's steps that had another one in `known`: they give other voxels now."""
    now = Pipeline(study).versions
    return {name: now[name] for name in sorted(now) if name in known and known[name] != now[name]}


@dataclass(frozen=True)
class _Form:
    """What no step may change: the number of channels and axes, whether there is a mask, and how many images are to be
    made."""

    channels: int
    axes: int
    labelled: bool
    wanted: int

    @classmethod
    def of(cls, sample: Sample) -> _Form:
        wanted = 0 if sample.wanted is None else len(sample.wanted)
        return cls(len(sample.image.data), sample.image.geometry.dimensions, sample.label is not None, wanted)

    def require(self, found: object) -> None:
        """Raise `BreachError` unless `found` is a sample of this form, whose arrays lie on its grid."""
        if not isinstance(found, Sample):
            raise BreachError(f"a {type(found).__name__}", "a Sample")
        data, label, grid = found.image.data, found.label, tuple(found.image.geometry.shape)
        if data.shape != (self.channels, *grid) or len(grid) != self.axes:
            channels = "channel" if self.channels == 1 else "channels"
            expected = f"{self.channels} {channels} and {self.axes} axes, as before, on the grid that the sample states"
            raise BreachError(f"an image of shape {data.shape} on a grid of {grid}", expected)
        if (label is not None) != self.labelled or (label is not None and label.shape != grid):
            got = "no mask" if label is None else f"a mask of shape {label.shape}"
            raise BreachError(got, f"a mask of shape {grid}" if self.labelled else "no mask, as before")
        self._require_wanted(found.wanted, grid)

    def _require_wanted(self, wanted: np.ndarray | None, grid: tuple[int, ...]) -> None:
        shape = None if wanted is None else wanted.shape
        if shape != ((self.wanted, *grid) if self.wanted else None):
            got = "no images that are to be made" if shape is None else f"images to be made of shape {shape}"
            expected = f"such images of shape {(self.wanted, *grid)}: `Sample.wanted` moves as the image does"
            raise BreachError(got, expected if self.wanted else "none, as before")
