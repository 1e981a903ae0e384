"""Parameters of the losses of images that are made from images, in units of the training cases' spread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.losses.loss import LossParameters
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting

WINDOW = 11
"""Voxels along each axis of the window within which structures are compared."""


class SSIM(LossParameters):
    """One minus structural similarity (Wang et al. 2004), plus `l1_weight` times the absolute error. `data_range` is
    the difference between the largest and the smallest value that images have, in units of their spread."""

    data_range: Annotated[float, Field(gt=0)] = 1.0
    l1_weight: NonNegative = 0.0

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A patch that is thinner than the window."""
        if min(setting.patch) < WINDOW:
            what, remedy = "structural similarity compares windows, and this patch is thinner", "Make the patch larger"
            yield Flaw(("patches", "size"), what, written(setting.patch), f"sides of {WINDOW} or more", remedy=remedy)


class GradientDifference(LossParameters):
    """Differences of the sizes of gradients to the power `exponent` (Mathieu et al. 2016), which keeps edges sharp,
    plus `l1_weight` times the absolute error, without which no level is learned."""

    exponent: Annotated[float, Field(ge=1, le=4)] = 1.0
    gradient_weight: NonNegative = 1.0
    l1_weight: NonNegative = 1.0


_HOME = "wardround.engine.losses.images"
_TASKS = frozenset({"synthesis"})
PARTS = (
    Part(Kind.LOSS, "ssim", SSIM, f"{_HOME}:SSIMLoss", _TASKS),
    Part(Kind.LOSS, "gradient_difference", GradientDifference, f"{_HOME}:GradientDifferenceLoss", _TASKS),
)
