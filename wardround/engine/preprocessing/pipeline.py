"""A study's preprocessing as one object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pydantic import JsonValue

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.types import Image
from wardround.engine.parts import Kind
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
        self._steps: tuple[Step, ...] = tuple(
            use.part(Kind.PREPROCESSING).load()(use.parameters) for use in study.preprocessing
        )

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
        for use, step in zip(self._uses, self._steps, strict=True):
            with _naming_step(use.name):
                held.append(step.apply(held.pop()))
        sample = held.pop()
        data = np.ascontiguousarray(sample.image.data, dtype=np.float32)
        label = None if sample.label is None else np.ascontiguousarray(sample.label)
        return replace(sample, image=Image(data, sample.image.geometry), label=label)


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
