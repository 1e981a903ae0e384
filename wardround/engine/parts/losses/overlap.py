"""Parameters of the losses of overlap. Their formulas stand beside their implementations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.parts.losses.loss import LossParameters, Smooth, Smoothing
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part

Fraction = Annotated[float, Field(gt=0, le=1)]
"""Some of it, or all."""


class SoftDice(LossParameters):
    """Soft Dice loss (Milletari et al. 2016); `squared` sums the squares of predictions below the line, as that paper.

    `batch` takes it over the voxels of the whole batch: a sample's loss is then not its own.
    """

    squared: bool = False
    include_background: bool = False
    smooth: Smooth = 1e-5
    batch: bool = False

    @property
    def by_sample(self) -> bool:
        """Not where it is taken over the batch."""
        return not self.batch


class DiceLog(LossParameters):
    """Minus the logarithm of soft Dice, by class (Wong et al. 2018): what is nearly missed pulls hard."""

    include_background: bool = False
    smooth: Smooth = 1e-5


class GeneralizedDice(LossParameters):
    """Generalised Dice (Sudre et al. 2017): classes weigh by the inverse of their squared size (`square`), of their
    size (`simple`), or all alike (`uniform`)."""

    weight: Literal["square", "simple", "uniform"] = "square"
    include_background: bool = True
    smooth: Smooth = 1e-5


class DiceFocal(LossParameters):
    """Soft Dice plus the focal loss (Zhu et al. 2019), each with its weight."""

    dice_weight: NonNegative = 1.0
    focal_weight: NonNegative = 1.0
    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    include_background: bool = False
    smooth: Smooth = 1e-5


class DiceTopK(LossParameters):
    """Soft Dice plus cross-entropy over the worst voxels (nnU-Net's Dice and top k), each with its weight."""

    dice_weight: NonNegative = 1.0
    topk_weight: NonNegative = 1.0
    fraction: Fraction = 0.1
    label_smoothing: Smoothing = 0.0
    include_background: bool = False
    smooth: Smooth = 1e-5


class Tversky(LossParameters):
    """Tversky loss (Salehi et al. 2017): `alpha` weighs what is found and not there, `beta` what is missed."""

    alpha: NonNegative = 0.3
    beta: NonNegative = 0.7
    include_background: bool = False
    smooth: Smooth = 1e-5


class FocalTversky(Tversky):
    """Focal Tversky loss (Abraham & Khan 2019): a power of the Tversky loss of each class. With an `exponent` below 1,
    1 / gamma of the paper, classes that are nearly right keep pulling."""

    exponent: Annotated[float, Field(gt=0, le=5)] = 0.75


class SoftJaccard(LossParameters):
    """One minus soft intersection over union (Rahman & Wang 2016)."""

    include_background: bool = False
    smooth: Smooth = 1e-5


class MCC(LossParameters):
    """One minus Matthews' correlation coefficient of voxels (Abhishek & Hamarneh 2021), over the classes that a sample
    has: true background counts too. A class that is absent costs nothing, so use it beside patches with foreground."""

    include_background: bool = False
    smooth: Annotated[float, Field(ge=1e-12)] = 0.01


class MCCLog(MCC):
    """Minus the logarithm of Matthews' correlation coefficient, brought to 0 to 1: what is nearly missed pulls hard."""


_HOME = "wardround.engine.losses"
_TASKS: frozenset[str] = frozenset({"segmentation"})


def _row(name: str, parameters: type[LossParameters], where: str, *gandlf: str) -> Part:
    return Part(Kind.LOSS, name, parameters, f"{_HOME}.{where}", _TASKS, gandlf=gandlf)


PARTS = (
    _row("dice", SoftDice, "overlap:DiceLoss", "dc", "dice"),
    _row("dice_log", DiceLog, "overlap:DiceLogLoss", "dc_log", "dclog", "dice_log", "dicelog"),
    _row("generalized_dice", GeneralizedDice, "overlap:GeneralizedDiceLoss"),
    _row("dice_focal", DiceFocal, "combined:DiceFocalLoss", "dc_focal"),
    _row("dice_topk", DiceTopK, "combined:DiceTopKLoss"),
    _row("tversky", Tversky, "overlap:TverskyLoss", "tversky"),
    _row("focal_tversky", FocalTversky, "overlap:FocalTverskyLoss"),
    _row("jaccard", SoftJaccard, "overlap:JaccardLoss"),
    _row("mcc", MCC, "overlap:MCCLoss", "mcc", "mathews"),
    _row("mcc_log", MCCLog, "overlap:MCCLogLoss", "mcc_log", "mcclog", "mathews_log"),
)
