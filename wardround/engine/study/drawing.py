"""Whether what a study says of drawing patches fits its truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.study.sections import Patches
from wardround.engine.study.truths import KindOfTruth

_WEIGHTS = ("patches", "class_weights")
_OF_ONE_CLASS = "category"
"""The tensor of truth of cases of which each is of one class."""


def drawing_flaws(patches: Patches, truth: KindOfTruth[Any], classes: Sequence[str]) -> Iterator[Flaw]:
    """Keys that would change nothing, and classes that the study has not. `classes` are those of its foreground."""
    if patches.balance and truth.name != _OF_ONE_CLASS:
        what = "cases can be balanced where each is of one class"
        remedy = "Take it out; `foreground` and `class_weights` say what is drawn from masks"
        yield Flaw(("patches", "balance"), what, "`true`", "a classification", remedy=remedy)
    if patches.class_weights:
        is_drawn = truth.on_grid and truth.has_classes and bool(patches.foreground)
        yield from _unfit_weights(patches.class_weights, classes) if is_drawn else _idle_weights(patches)


def _idle_weights(patches: Patches) -> Iterator[Flaw]:
    what = "class_weights say which foreground voxels are drawn, and none are here"
    expected, remedy = "a segmentation with a `foreground` above 0", "Take it out, or raise `foreground`"
    yield Flaw(_WEIGHTS, what, written(dict(patches.class_weights)), expected, remedy=remedy)


def _unfit_weights(weights: Mapping[str, float], classes: Sequence[str]) -> Iterator[Flaw]:
    unknown = [name for name in weights if name not in classes]
    for name in unknown:
        what, expected = f"the study has no foreground class {name!r}", f"one of {', '.join(classes)}"
        yield Flaw((*_WEIGHTS, name), what, repr(name), expected, name, tuple(classes))
    if not unknown and not any(weights.get(name, 1) for name in classes):
        remedy = "Give one class a weight above 0, or write `foreground: 0` for patches from anywhere"
        yield Flaw(_WEIGHTS, "no class is ever drawn", written(dict(weights)), "a weight above 0", remedy=remedy)
