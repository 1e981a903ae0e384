"""Parameters of the losses of numbers, and of the voxels of images that are to be made. They are taken in units of the
training cases' standard deviation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.losses.loss import LossParameters
from wardround.engine.parts.part import Kind, Part


class MSE(LossParameters):
    """Squared error, the mean over a sample's numbers or voxels."""


class L1(LossParameters):
    """Absolute error, the mean over a sample's numbers or voxels."""


class Huber(LossParameters):
    """Huber loss (Huber 1964): half the squared error up to `delta`, beyond it a line, so that outliers pull less."""

    shorthand: ClassVar[str | None] = "delta"
    delta: Annotated[float, Field(gt=0, le=1e6)] = 1.0


class SmoothL1(LossParameters):
    """Huber loss divided by its `beta` (Girshick 2015): absolute error with its corner rounded off."""

    shorthand: ClassVar[str | None] = "beta"
    beta: Annotated[float, Field(gt=0, le=1e6)] = 1.0


class LogCosh(LossParameters):
    """Logarithm of the hyperbolic cosine of the error: as half its square near zero, as its size far away."""


class Quantile(LossParameters):
    """Pinball loss (Koenker & Bassett 1978): what is learned is the `quantile` of the numbers, 0.5 their median."""

    shorthand: ClassVar[str | None] = "quantile"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.5


_HOME = "wardround.engine.losses.numbers"
_TASKS = frozenset({"regression", "synthesis"})
PARTS = (
    Part(Kind.LOSS, "mse", MSE, f"{_HOME}:MSELoss", _TASKS, gandlf=("mse",)),
    Part(Kind.LOSS, "l1", L1, f"{_HOME}:L1Loss", _TASKS, gandlf=("l1",)),
    Part(Kind.LOSS, "huber", Huber, f"{_HOME}:HuberLoss", _TASKS),
    Part(Kind.LOSS, "smooth_l1", SmoothL1, f"{_HOME}:SmoothL1Loss", _TASKS),
    Part(Kind.LOSS, "log_cosh", LogCosh, f"{_HOME}:LogCoshLoss", _TASKS),
    Part(Kind.LOSS, "quantile", Quantile, f"{_HOME}:QuantileLoss", _TASKS),
)
