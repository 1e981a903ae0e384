"""Parameters of the metrics of numbers, all in the unit of the table."""

from __future__ import annotations

from wardround.engine.parts.part import Bounds, Kind, Parameters, Part


class MAE(Parameters):
    """Mean absolute error, in the unit of the table; of several numbers each, and their mean."""


class MeanSquaredError(Parameters):
    """Mean squared error, in the squared unit of the table; of several numbers each, and their mean."""


class Pearson(Parameters):
    """Correlation of predictions and truths over the cases (Pearson 1895); undefined where one of them is constant."""


class R2(Parameters):
    """Coefficient of determination: the part of the truths' variance over the cases that predictions explain."""


EXPLAINED = Bounds(-1e18, 1.0)
"""Of `r2`: as low as where truths differ by 1e-9 of themselves, and predictions are off by as much as they are."""
_HOME = "wardround.engine.metrics.numbers"
_TASKS = frozenset({"regression"})
_ERROR, _SQUARE = Bounds(0.0, 1e9), Bounds(0.0, 1e18)
PARTS = (
    Part(Kind.METRIC, "mae", MAE, f"{_HOME}:MAEMetric", _TASKS, False, _ERROR),
    Part(Kind.METRIC, "mse", MeanSquaredError, f"{_HOME}:MSEMetric", _TASKS, False, _SQUARE),
    Part(Kind.METRIC, "pearson", Pearson, f"{_HOME}:PearsonMetric", _TASKS, bounds=Bounds(-1.0, 1.0)),
    Part(Kind.METRIC, "r2", R2, f"{_HOME}:R2Metric", _TASKS, bounds=EXPLAINED),
)
