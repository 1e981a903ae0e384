"""Parameters of the metrics of categories and labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.parts.metrics.chosen import OfClasses
from wardround.engine.parts.part import FRACTION, Bounds, Kind, Parameters, Part


class Accuracy(Parameters):
    """Fraction of cases whose most probable class is the true one."""


class BalancedAccuracy(OfClasses):
    """Mean of the classes' sensitivities (Brodersen et al. 2010): rare classes count as frequent ones do."""


class AUC(OfClasses):
    """Area under the ROC curve; with more than two classes the mean over classes of one against the rest."""


class AveragePrecision(OfClasses):
    """Average precision, the area under the steps of precision over recall; over classes as `auc`."""


class Kappa(Parameters):
    """Cohen's kappa (Cohen 1968): agreement beyond chance. For grades in order mistakes weigh by their distance, or by
    its square."""

    weights: Literal["none", "linear", "quadratic"] = "quadratic"


class Brier(Parameters):
    """Brier score (Brier 1950): squared error of probabilities; of two classes of the second, else summed over them."""


class LogLoss(Parameters):
    """Minus the logarithm of the probability of the truth, which is told from 0 as far as float32 can."""


class ECE(Parameters):
    """Expected calibration error (Guo et al. 2017): by how much the probability of the most probable class is off the
    fraction of cases where it is right, over bins of equal width."""

    bins: Annotated[int, Field(ge=1, le=1000)] = 15


_HOME = "wardround.engine.metrics"
_TASKS = frozenset({"classification", "multilabel"})


def _row(
    name: str, parameters: type[Parameters], where: str, bounds: Bounds, *gandlf: str, more_is_better: bool = True
) -> Part:
    return Part(Kind.METRIC, name, parameters, f"{_HOME}.{where}", _TASKS, more_is_better, bounds, gandlf=gandlf)


PARTS = (
    _row("accuracy", Accuracy, "classification:AccuracyMetric", FRACTION, "accuracy", "classification_accuracy"),
    _row("balanced_accuracy", BalancedAccuracy, "rates:BalancedAccuracyMetric", FRACTION, "balanced_accuracy"),
    _row("auc", AUC, "classification:AUCMetric", FRACTION, "auroc"),
    _row("average_precision", AveragePrecision, "classification:AveragePrecisionMetric", FRACTION),
    _row("kappa", Kappa, "rates:KappaMetric", Bounds(-1.0, 1.0)),
    _row("brier", Brier, "calibration:BrierMetric", Bounds(0.0, 2.0), more_is_better=False),
    _row("log_loss", LogLoss, "calibration:LogLossMetric", Bounds(0.0, 16.0), more_is_better=False),
    _row("ece", ECE, "calibration:ECEMetric", FRACTION, more_is_better=False),
)
