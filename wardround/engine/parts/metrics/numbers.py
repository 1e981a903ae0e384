"""Parameters of the metrics of numbers, all in the unit of the table, or of the voxels of images that are made."""

from __future__ import annotations

from wardround.engine.parts.part import Bounds, Kind, Parameters, Part


class MAE(Parameters):
    """Mean absolute error, in the unit of the table or of the voxels; of several each, and their mean."""


class MeanSquaredError(Parameters):
    """Mean squared error, in the squared unit; of several numbers or images each, and their mean."""


class Pearson(Parameters):
    """Correlation of predictions and truths over the cases (Pearson 1895); undefined where one of them is constant."""


class R2(Parameters):
    """Coefficient of determination: the part of the truths' variance over the cases that predictions explain."""


class RMSE(Parameters):
    """Root of the mean squared error, in the unit of the table or of the voxels; of several each, and their mean."""


class MedianError(Parameters):
    """Median absolute error over the cases, in the unit of the table, which outliers do not move."""


class Spearman(Parameters):
    """Correlation of the ranks of predictions and truths over the cases (Spearman 1904)."""


class Cosine(Parameters):
    """Cosine of the angle between all predictions and all truths of the cases."""


class AbsoluteBias(Parameters):
    """Size of the mean difference of predictions and truths (Bland & Altman 1986), in the unit of the table."""


class LimitsOfAgreement(Parameters):
    """Half the width of the limits of agreement (Bland & Altman 1986): 1.96 standard deviations of differences."""


EXPLAINED = Bounds(-1e18, 1.0)
"""Of `r2`: as low as where truths differ by 1e-9 of themselves, and predictions are off by as much as they are."""
_HOME = "wardround.engine.metrics.numbers"
_TASKS = frozenset({"regression"})
_ALSO_VOXELS = _TASKS | {"synthesis"}
_OF_VOXELS = frozenset({"mae", "mse", "rmse"})
_ERROR, _SQUARE, _CORRELATION = Bounds(0.0, 1e9), Bounds(0.0, 1e18), Bounds(-1.0, 1.0)


def _error(name: str, parameters: type[Parameters], where: str, *gandlf: str, bounds: Bounds = _ERROR) -> Part:
    tasks = _ALSO_VOXELS if name in _OF_VOXELS else _TASKS
    return Part(Kind.METRIC, name, parameters, f"{_HOME}:{where}", tasks, False, bounds, gandlf=gandlf)


def _agreement(
    name: str, parameters: type[Parameters], where: str, *gandlf: str, bounds: Bounds = _CORRELATION
) -> Part:
    return Part(Kind.METRIC, name, parameters, f"{_HOME}:{where}", _TASKS, bounds=bounds, gandlf=gandlf)


PARTS = (
    _error("mae", MAE, "MAEMetric", "mae"),
    _error("mse", MeanSquaredError, "MSEMetric", "mse", bounds=_SQUARE),
    _error("rmse", RMSE, "RMSEMetric"),
    _error("median_error", MedianError, "MedianErrorMetric"),
    _error("absolute_bias", AbsoluteBias, "AbsoluteBiasMetric"),
    _error("limits_of_agreement", LimitsOfAgreement, "LimitsOfAgreementMetric"),
    _agreement("pearson", Pearson, "PearsonMetric", "pearson"),
    _agreement("spearman", Spearman, "SpearmanMetric", "spearman"),
    _agreement("cosine", Cosine, "CosineMetric", "cosine"),
    _agreement("r2", R2, "R2Metric", bounds=EXPLAINED),
)
