"""Parameters of the losses of numbers. They are taken in units of the training cases' standard deviation."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.part import Kind, Parameters, Part


class MSE(Parameters):
    """Squared error, the mean over a sample's numbers."""


class L1(Parameters):
    """Absolute error, the mean over a sample's numbers."""


class Huber(Parameters):
    """Huber loss (Huber 1964): half the squared error up to `delta`, beyond it a line, so that outliers pull less."""

    shorthand: ClassVar[str | None] = "delta"
    delta: Annotated[float, Field(gt=0, le=1e6)] = 1.0


_HOME = "wardround.engine.losses.numbers"
_TASKS = frozenset({"regression"})
PARTS = (
    Part(Kind.LOSS, "mse", MSE, f"{_HOME}:MSELoss", _TASKS),
    Part(Kind.LOSS, "l1", L1, f"{_HOME}:L1Loss", _TASKS),
    Part(Kind.LOSS, "huber", Huber, f"{_HOME}:HuberLoss", _TASKS),
)
