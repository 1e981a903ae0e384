"""Parameters of the metrics of categories."""

from __future__ import annotations

from wardround.engine.parts.part import FRACTION, Kind, Parameters, Part


class Accuracy(Parameters):
    """Fraction of cases whose most probable class is the true one."""


class AUC(Parameters):
    """Area under the ROC curve; with more than two classes the mean over classes of one against the rest."""


_HOME = "wardround.engine.metrics.classification"
_TASKS = frozenset({"classification"})
PARTS = (
    Part(Kind.METRIC, "accuracy", Accuracy, f"{_HOME}:AccuracyMetric", _TASKS, bounds=FRACTION),
    Part(Kind.METRIC, "auc", AUC, f"{_HOME}:AUCMetric", _TASKS, bounds=FRACTION),
)
