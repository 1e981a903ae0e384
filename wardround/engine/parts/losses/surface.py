"""Parameters of the losses by distance from a boundary, each beside soft Dice, without which they find nothing."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.losses.loss import LossParameters, Smooth
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part


class Boundary(LossParameters):
    """Boundary loss (Kervadec et al. 2019) beside soft Dice: predictions weigh by their signed distance in mm from the
    true boundary, so that what is far off costs more. The paper raises `boundary_weight` from 0.01."""

    dice_weight: NonNegative = 1.0
    boundary_weight: NonNegative = 0.01
    include_background: bool = False
    smooth: Smooth = 1e-5


class Hausdorff(LossParameters):
    """Hausdorff loss (Karimi & Salcudean 2019) beside soft Dice: squared errors weigh by their distance in mm from the
    true and the predicted boundary to the power `exponent`."""

    dice_weight: NonNegative = 1.0
    hausdorff_weight: NonNegative = 0.01
    exponent: Annotated[float, Field(gt=0, le=4)] = 2.0
    include_background: bool = False
    smooth: Smooth = 1e-5


_HOME = "wardround.engine.losses.surface"
_TASKS = frozenset({"segmentation"})
PARTS = (
    Part(Kind.LOSS, "boundary", Boundary, f"{_HOME}:BoundaryLoss", _TASKS),
    Part(Kind.LOSS, "hausdorff", Hausdorff, f"{_HOME}:HausdorffLoss", _TASKS),
)
