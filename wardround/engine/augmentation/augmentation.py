"""A study's augmentation as one object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from wardround.engine.augmentation.types import Drawn, InSpace, Transform
from wardround.engine.basics.randomness import stream
from wardround.engine.parts import Kind
from wardround.engine.sampling.types import Batch, SampleKey
from wardround.engine.study import Study

Draws = tuple[tuple[Drawn | None, ...], ...]
"""Parameters by transform, then by sample."""


class Augmentation:
    """The study's transforms, in order.

    What a sample undergoes is a function of the study's seed, the sample's key and the transform's place in the study:
    not of the batch that it is in, nor of what came before.
    """

    def __init__(self, study: Study) -> None:
        self._seed, self._dimensions = study.seed, study.dimensions
        self._transforms: tuple[Transform[Any], ...] = tuple(
            use.part(Kind.AUGMENTATION).load()(use.parameters) for use in study.augmentation
        )

    def __call__(self, batch: Batch) -> Batch:
        """The batch after all transforms, on the device where it lies."""
        return self.apply(batch, self.draw(batch.keys))

    def draw(self, keys: Sequence[SampleKey]) -> Draws:
        """The first phase: parameters for every transform and sample."""
        return tuple(
            tuple(transform.draw(self._stream(place, key), self._dimensions) for key in keys)
            for place, transform in enumerate(self._transforms)
        )

    def apply(self, batch: Batch, draws: Draws) -> Batch:
        """The second phase: a pure function of batch and parameters."""
        image, label = batch.image, batch.label
        for transform, drawn in zip(self._transforms, draws, strict=True):
            image, label = transform.apply(image, label, _placed(transform, drawn, batch))
        return replace(batch, image=image, label=label)

    def _stream(self, place: int, key: SampleKey) -> Any:
        return stream(self._seed, "augment", place, key.case, key.draw)


def _placed(transform: Transform[Any], drawn: Sequence[Drawn | None], batch: Batch) -> Sequence[Drawn | None]:
    if not isinstance(transform, InSpace) or not batch.surroundings:
        return drawn
    pairs = zip(drawn, batch.surroundings, strict=True)
    return [None if each is None else transform.placed(each, surroundings) for each, surroundings in pairs]
