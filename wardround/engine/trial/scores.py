"""The metrics on cases that are made up: right, wrong, and with classes that are not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from wardround.engine.metrics import (
    Metric,
    Summary,
    build_metrics,
    case_scores,
    cohort_scores,
    image_scores,
    mask_scores,
)
from wardround.engine.parts import BreachError, Kind, Part
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse
from wardround.engine.targets import RowTarget, Target, Written, target_of
from wardround.engine.trial.attempt import Attempts, require_unchanged

_SIDES = {2: 12, 3: 8}
_IMAGE_SIDE = 13
"""A little more than a window of structural similarity."""
_CASES = 12


def try_metrics(study: Study, attempts: Attempts) -> None:
    """Each metric by itself."""
    for place, use in enumerate(study.validation.metrics):
        with attempts.of(use.part(Kind.METRIC), f"validation.metrics.{place}"):
            _try(_alone(study, use), use.part(Kind.METRIC))


def _alone(study: Study, use: PartUse) -> Study:
    validation = study.validation.model_copy(update={"metrics": (use,), "select": use.name})
    return study.model_copy(update={"validation": validation})


def _try(study: Study, part: Part) -> None:
    metrics = build_metrics(study)
    target = target_of(study)
    if target.written is Written.IMAGE:
        _try_images(study, target, metrics, part)
        return
    if not isinstance(target, RowTarget):
        for prediction, truth in made_up_masks(study):
            given = prediction.copy(), truth.copy()
            _require_scores(part, mask_scores(study, metrics, prediction, truth, (1.0,) * study.dimensions))
            require_unchanged(given[0], prediction, "the prediction")
            require_unchanged(given[1], truth, "the truth")
        return
    _try_cohort(study, target, metrics, part)


def _try_images(study: Study, target: Target, metrics: tuple[Metric, ...], part: Part) -> None:
    """On made-up images, the same image twice, images without contrast, and thin ones: none is better than itself."""
    sign = 1 if part.higher_is_better else -1
    for shape in ((_IMAGE_SIDE,) * study.dimensions, (1,) * (study.dimensions - 1) + (_IMAGE_SIDE,)):
        (some, other), *_ = target.example(study, 2, shape).values()
        spacing, flat = (1.0,) * study.dimensions, np.zeros_like(some)
        perfect = image_scores(study, metrics, some, some, spacing)
        for made, truth in ((some, other), (other, some), (some, some), (flat, some), (some, flat), (flat, flat)):
            given = made.copy(), truth.copy()
            found = image_scores(study, metrics, made, truth, spacing)
            _require_scores(part, found)
            require_unchanged(given[0], made, "the prediction")
            require_unchanged(given[1], truth, "the truth")
            if truth is some and any(sign * value > sign * perfect[name] for name, value in found.items()):
                raise BreachError(f"{found}, and {perfect} for the truth itself", "no better score than of the truth")


def made_up_masks(study: Study) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some class against some class, the same mask twice, and nothing against something."""
    generator, classes = np.random.default_rng(study.seed), len(study.class_names)
    shape, kind = (_SIDES[study.dimensions],) * study.dimensions, np.uint8 if classes <= 256 else np.uint16
    some, other = (generator.integers(0, classes, shape).astype(kind) for _ in range(2))
    nothing = np.zeros(shape, kind)
    yield from ((some, other), (some, some), (nothing, some), (some, nothing), (nothing, nothing))


def _try_cohort(study: Study, target: RowTarget, metrics: tuple[Metric, ...], part: Part) -> None:
    """On made-up predictions beside mixed truths, and beside truths that are all alike."""
    vectors, truths = target.example_results(study, _CASES)
    for vector, truth in zip(vectors, truths, strict=True):
        _require_scores(part, case_scores(study, metrics, vector, truth))
    for some in (truths, np.zeros_like(truths)):
        found = cohort_scores(study, metrics, vectors, some)
        _require_scores(part, {name: summary.value for name, summary in found.items()})
        _require_counts(found)


def _require_scores(part: Part, scores: Mapping[str, float]) -> None:
    for name, value in scores.items():
        if not part.bounds.hold(value):
            least, most = part.bounds.least, part.bounds.most
            expected = f"a number from {least:g} to {most:g}; what is undefined is left out"
            raise BreachError(f"{name} = {value:g}", expected)


def _require_counts(found: Mapping[str, Summary]) -> None:
    for name, summary in found.items():
        if not 0 <= summary.count <= _CASES:
            raise BreachError(f"{name} over {summary.count} cases", f"at most the {_CASES} that there are")
