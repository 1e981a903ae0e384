"""Parameters of the losses. Every loss has a per-sample form: one number per sample of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Parameters, Part
from wardround.engine.parts.setting import Setting


class DiceCE(Parameters):
    """Soft Dice loss (Milletari et al. 2016) plus cross-entropy, as in nnU-Net (Isensee et al. 2021)."""

    dice_weight: NonNegative = 1.0
    ce_weight: NonNegative = 1.0
    include_background: bool = False
    smooth: Annotated[float, Field(gt=0)] = 1e-5


class CrossEntropy(Parameters):
    """Cross-entropy on class indices; over the voxels of a segmentation it is averaged within each sample."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    class_weights: tuple[NonNegative, ...] | None = None

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Weights of another number than there are classes."""
        names = setting.classes
        if self.class_weights and len(self.class_weights) != len(names):
            expected = f"{len(names)}, one for each of {', '.join(names)}"
            where, got = (*setting.place, "class_weights"), written(self.class_weights)
            remedy = f"Write for example `class_weights: {[1] * len(names)}`"
            yield Flaw(where, "the number of weights does not fit the classes", got, expected, remedy=remedy)


_HOME = "wardround.engine.losses.classic"
PARTS = (
    Part(Kind.LOSS, "dice_ce", DiceCE, f"{_HOME}:DiceCELoss", frozenset({"segmentation"})),
    Part(
        Kind.LOSS,
        "cross_entropy",
        CrossEntropy,
        f"{_HOME}:CrossEntropyLoss",
        frozenset({"segmentation", "classification"}),
    ),
)
