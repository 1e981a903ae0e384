"""A study's augmentation as one object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wardround.engine.augmentation.on_grid import ON_GRID, OnGrid
from wardround.engine.augmentation.transform import Drawn, InSpace, Transform
from wardround.engine.basics.randomness import stream
from wardround.engine.parts import Kind, answering
from wardround.engine.sampling.batch import Batch, SampleKey
from wardround.engine.study import Study
from wardround.engine.targets import target_of

Draws = tuple[tuple[Drawn | None, ...], ...]
"""Parameters by transform, then by sample."""


class Augmentation:
    """The study's transforms, in order.

    What a sample undergoes is a function of the study's seed, the sample's key and the transform's place in the study:
    not of the batch that it is in, nor of what came before.
    """

    def __init__(self, study: Study) -> None:
        self._seed, self._dimensions = study.seed, study.dimensions
        self._on_grid = ON_GRID | {name for name, form in target_of(study).forms(study).items() if form.on_grid}
        parts = [use.part(Kind.AUGMENTATION) for use in study.augmentation]
        self._owners = tuple(part.owner for part in parts)
        self._transforms: tuple[Transform[Any], ...] = tuple(
            part.make(use.parameters) for part, use in zip(parts, study.augmentation, strict=True)
        )

    def __call__(self, batch: Batch) -> Batch:
        """The batch after all transforms, on the device where it lies."""
        return self.apply(batch, self.draw(batch.keys))

    def draw(self, keys: Sequence[SampleKey]) -> Draws:
        """The first phase: parameters for every transform and sample."""
        return tuple(self._drawn(place, keys) for place in range(len(self._transforms)))

    def apply(self, batch: Batch, draws: Draws) -> Batch:
        """The second phase: a pure function of batch and parameters. All truth on the grid follows the image."""
        on_grid = OnGrid(batch, self._on_grid)
        for owner, transform, drawn in zip(self._owners, self._transforms, draws, strict=True):
            if any(each is not None for each in drawn):
                with answering(owner):
                    on_grid.undergo(transform, _placed(transform, drawn, batch))
        return on_grid.batch

    def _drawn(self, place: int, keys: Sequence[SampleKey]) -> tuple[Drawn | None, ...]:
        with answering(self._owners[place]):
            return tuple(self._transforms[place].draw(self._stream(place, key), self._dimensions) for key in keys)

    def _stream(self, place: int, key: SampleKey) -> Any:
        return stream(self._seed, "augment", place, key.case, key.draw)


def _placed(transform: Transform[Any], drawn: Sequence[Drawn | None], batch: Batch) -> Sequence[Drawn | None]:
    if not isinstance(transform, InSpace) or not batch.surroundings:
        return drawn
    pairs = zip(drawn, batch.surroundings, strict=True)
    return [None if each is None else transform.placed(each, surroundings) for each, surroundings in pairs]
