"""The plan of a classification or a regression, which look at each image as a whole, entry by entry."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from wardround.engine.basics.flaws import flow
from wardround.engine.planning.decision import Budget, Decision
from wardround.engine.planning.fingerprint import Fingerprint
from wardround.engine.planning.intensities import normalised
from wardround.engine.planning.matter import CLASSIFICATION, Matter
from wardround.engine.planning.training import changes, folds, length, optimizer
from wardround.engine.planning.voxels import grid_steps
from wardround.engine.planning.wording import Entry

_LONGEST = {2: 224, 3: 96}
"""Sides of the image that a network sees, at most."""
_MULTIPLE, _LEAST, _SMALL = 4, 16, 64
_MOST_BATCH, _LEAST_BATCH = {2: 64, 3: 16}, 4
_SHARE, _RARE = 16, 3
_RATE = 1e-3
_BYTES_A_VOXEL = {"small": 8_000, "large": 1_500}
"""A step of a residual network of 10 layers and 16 feature maps, with and without a stem that reduces the grid."""


def whole_entries(
    matter: Matter, print_: Fingerprint, inputs: tuple[str, ...], tomography: tuple[bool, ...], budget: Budget
) -> Iterator[Entry]:
    """From preprocessing to the end of a study."""
    spacing, size = seen_grid(print_)
    batch = batch_of(print_, size, budget)
    yield Entry("preprocessing", ("preprocessing:",))
    if print_.is_body:
        yield from grid_steps(print_, spacing.value, spacing.reason)
        steps = (
            f"  - center_crop: {{size: {flow(list(size))}}}",
            f"  - pad: {{size: {flow(list(size))}, padding: minimum}}",
        )
        yield Entry("size", steps, "One size for all, as 19 of 20 cases have it along each axis at that spacing")
    else:
        yield Entry("size", (f"  - resize: {{size: {flow(list(size))}}}",), spacing.reason)
    for each in normalised(print_, inputs, tomography):
        yield Entry("normalisation", tuple(f"  - {step}" for step in each.value), each.reason)
    how = changes(budget)
    reason = f"{how.reason}. `flip` is not among them: add it where a mirror image has the same truth"
    yield Entry("augmentation", ("augmentation:", *(f"  - {each}" for each in how.value)), reason)
    yield _patches(matter, size)
    yield _model(print_, size)
    yield from _training(matter, budget, batch)
    yield _validation(matter)


def seen_grid(print_: Fingerprint) -> tuple[Decision[tuple[float, ...]], tuple[int, ...]]:
    """The spacing, and the size of image that a network sees, in multiples of 4."""
    most = _LONGEST[print_.dimensions]
    if print_.is_body:
        sides = print_.shape(print_.spacing, 0.95)
        by = max(1.0, max(sides) / most)
        spacing = tuple(float(f"{step * by:.3g}") for step in print_.spacing)
        reason = f"The median of {print_.cases} cases" + (
            f", {by:.2g} times as coarse: {most} voxels a side" if by > 1 else ""
        )
        return Decision(spacing, reason), tuple(map(_even, print_.shape(spacing, 0.95)))
    sides = print_.shape(print_.spacing)
    by = max(1.0, max(sides) / most)
    size = tuple(_even(side / by) for side in sides)
    why = f"The median of {print_.cases} images is {' x '.join(map(str, sides))}; a network sees {most} a side at most"
    return Decision(print_.spacing, why), size


def _even(side: float) -> int:
    return max(_LEAST, _MULTIPLE * round(side / _MULTIPLE))


def _stem(size: Sequence[int]) -> str:
    return "small" if max(size) <= _SMALL else "large"


def batch_of(print_: Fingerprint, size: Sequence[int], budget: Budget) -> Decision[int]:
    """A power of two: a sixteenth of the cases, as far as memory goes."""
    room = budget.memory // (math.prod(size) * _BYTES_A_VOXEL[_stem(size)])
    most = min(room, print_.cases // _SHARE, _MOST_BATCH[print_.dimensions])
    batch = max(_LEAST_BATCH, 2 ** int(math.log2(max(1, most))))
    return Decision(batch, f"a sixteenth of {print_.cases} cases, {_MOST_BATCH[print_.dimensions]} at most")


def _patches(matter: Matter, size: Sequence[int]) -> Entry:
    line, rarest = f"size: {flow(list(size))}, per_case: 1", _rarest(matter.counts)
    if matter.task == CLASSIFICATION and rarest > _RARE:
        reason = (
            f"Whole images; one class is {rarest:.1f} times as frequent as another, so rare ones are drawn more often"
        )
        return Entry("patches", (f"patches: {{{line}, balance: true}}",), reason)
    return Entry("patches", (f"patches: {{{line}}}",), "Whole images")


def _rarest(counts: Counter[str]) -> float:
    return max(counts.values(), default=1) / min(counts.values(), default=1)


def _model(print_: Fingerprint, size: Sequence[int]) -> Entry:
    stem = _stem(size)
    reason = f"A small residual network for {print_.cases} cases" + (
        f"; the small stem keeps the grid of images up to {_SMALL} a side" if stem == "small" else ""
    )
    line = (
        f"model: {{name: resnet, dimensions: {print_.dimensions}, depth: 10, filters: 16, stem: {stem}, norm: group}}"
    )
    return Entry("model", (line,), reason)


def _training(matter: Matter, budget: Budget, batch: Decision[int]) -> Iterator[Entry]:
    loss = "cross_entropy" if matter.task == CLASSIFICATION else "huber"
    how, steps = optimizer(budget, rate=_RATE), length(budget)
    line = f"training: {{loss: {loss}, {how.value}, steps: {steps.value}, batch_size: {batch.value}}}"
    yield Entry("training", (line,), f"Batch: {batch.reason}. Optimizer: {how.reason}. Steps: {steps.reason}")


def _validation(matter: Matter) -> Entry:
    is_class = matter.task == CLASSIFICATION
    fewest = min(matter.counts.values(), default=0) if is_class else len(matter.cohort.cases)
    outer, inner = folds(max(4, fewest)).value
    metrics = "metrics: [auc, accuracy], select: auc" if is_class else "metrics: [mae, pearson, r2], select: mae"
    return Entry("validation", (f"validation: {{outer_folds: {outer}, inner_folds: {inner}, {metrics}}}",))
