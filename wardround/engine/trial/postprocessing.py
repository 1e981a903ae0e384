"""The post-processing steps on masks that are made up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wardround.engine.inference.postprocessing import postprocessed
from wardround.engine.inference.structures import structures_of
from wardround.engine.parts import BreachError, Kind
from wardround.engine.parts.postprocessing import mask_step_of
from wardround.engine.study import Study
from wardround.engine.trial.attempt import Attempts, require_unchanged

_SIDES = {2: (13, 11), 3: (9, 8, 7)}
_SPACINGS = {2: (1.0, 1.5), 3: (1.0, 1.5, 3.0)}
_NONE_TOO_FEW = 0.3
"""How much of a made-up mask is background, at random."""


def try_postprocessing(study: Study, attempts: Attempts) -> None:
    """Each step by itself, so that one which fails hides no other."""
    for place, use in enumerate(study.inference.postprocessing):
        with attempts.of(use.part(Kind.POSTPROCESSING), f"inference.postprocessing.{place}.{use.name}"):
            for labels in _masks(study, study.dimensions):
                given = labels.copy()
                after = postprocessed(study, (use,), labels, _SPACINGS[study.dimensions])
                require_unchanged(given, labels, "the mask")
                _require_empty_kept(labels, after)


def require_settled(study: Study) -> None:
    """Raise `BreachError` where a step that settles changes what it has changed before, in volumes or flat images."""
    (use,) = study.inference.postprocessing
    if not use.ask(Kind.POSTPROCESSING, lambda parameters: mask_step_of(parameters).settles):
        return
    for axes, spacing in _SPACINGS.items():
        for labels in _masks(study, axes):
            once = postprocessed(study, (use,), labels, spacing)
            twice = postprocessed(study, (use,), once, spacing)
            if not np.array_equal(once, twice):
                raise BreachError("another mask from its own", "the same one, or `settles` that says otherwise")


def _require_empty_kept(before: np.ndarray, after: np.ndarray) -> None:
    if not before.any() and after.any():
        raise BreachError("a structure in an empty mask", "an empty mask: it changes what was found")


def _masks(study: Study, axes: int) -> Iterator[np.ndarray]:
    """Nothing, each structure alone and everywhere, blocks with a hole and a speck, and any class anywhere."""
    shape, classes = _SIDES[axes], len(study.class_names)
    kind = np.uint8 if classes <= 256 else np.uint16
    yield np.zeros(shape, kind)
    for structure in structures_of(study):
        yield np.full(shape, structure.written, kind)
        holed = np.zeros(shape, kind)
        holed[(slice(1, 6),) * axes] = structure.written
        holed[(slice(3, 4),) * axes] = 0
        holed[(-1,) * axes] = structure.written
        yield holed
    generator = np.random.default_rng(study.seed)
    some = generator.integers(0, classes, shape).astype(kind)
    some[generator.random(shape) < _NONE_TOO_FEW] = 0
    yield some
