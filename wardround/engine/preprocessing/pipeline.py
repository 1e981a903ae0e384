"""A study's preprocessing as one object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from pydantic import JsonValue

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.parts import BreachError, Kind, Parameters, Part, answering
from wardround.engine.preprocessing.sample import Sample, Step
from wardround.engine.study import Study


class Pipeline:
    """The study's steps, in order.

    `state_digest` names what fitted steps have learned from training cases; it is empty as long as no step is fitted,
    and enters the key under which a case is stored.
    """

    state_digest: str = ""

    def __init__(self, study: Study) -> None:
        self._uses = study.preprocessing
        self._parts = tuple(use.part(Kind.PREPROCESSING) for use in study.preprocessing)
        uses = zip(self._parts, study.preprocessing, strict=True)
        self._steps = tuple(_made(part, use.parameters) for part, use in uses)

    @property
    def signature(self) -> JsonValue:
        """What determines the outcome: each step's name, parameters and version, and the fitted state."""
        steps: list[JsonValue] = [
            {"name": use.name, "parameters": use.parameters.model_dump(mode="json"), "version": step.version}
            for use, step in zip(self._uses, self._steps, strict=True)
        ]
        return {"steps": steps, "state": self.state_digest}

    @property
    def versions(self) -> dict[str, int]:
        """The version of each step by its name: with another one, the same study gives other voxels."""
        return {use.name: step.version for use, step in zip(self._uses, self._steps, strict=True)}

    def apply(self, sample: Sample) -> Sample:
        """The sample after all steps: contiguous, the image float32. Raises `InputError` that names the step where one
        cannot work.

        No step's input is kept alive beyond the step: whoever keeps no reference to `sample` needs, at any time, about
        the room of what goes into a step and what comes out of it.
        """
        held = [sample]
        del sample
        for part, step in zip(self._parts, self._steps, strict=True):
            before = _Form.of(held[0])
            with _naming_step(part.name), answering(part.owner):
                held.append(step.apply(held.pop()))
                before.require(held[0])
        sample = held.pop()
        data = np.ascontiguousarray(sample.image.data, dtype=np.float32)
        label = None if sample.label is None else np.ascontiguousarray(sample.label)
        return replace(sample, image=Image(data, sample.image.geometry), label=label)


def _made(part: Part, parameters: Parameters) -> Step:
    step: Step = part.make(parameters)
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
    """What no step may change: the number of channels and axes, and whether there is a mask."""

    channels: int
    axes: int
    labelled: bool

    @classmethod
    def of(cls, sample: Sample) -> _Form:
        return cls(len(sample.image.data), sample.image.geometry.dimensions, sample.label is not None)

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


@contextlib.contextmanager
def _naming_step(name: str) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        place = f"preprocessing step {name}"
        raise InputError(
            replace(problem, where=f"{place}, {problem.where}" if problem.where else place)
            for problem in error.problems
        ) from None
