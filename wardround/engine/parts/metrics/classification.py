"""Parameters of the metrics of categories."""

from __future__ import annotations

from wardround.engine.parts.part import FRACTION, Kind, Parameters, Part


class Accuracy(Parameters):
    """Fraction of cases whose most probable class is the true one; of labels that are right at the threshold 0.5."""


class AUC(Parameters):
    """Area under the ROC curve; of more than two classes, and of labels, the mean of each against the rest."""


_HOME = "wardround.engine.metrics.classification"
_TASKS = frozenset({"classification", "multilabel"})
PARTS = (
    Part(Kind.METRIC, "accuracy", Accuracy, f"{_HOME}:AccuracyMetric", _TASKS, bounds=FRACTION),
    Part(Kind.METRIC, "auc", AUC, f"{_HOME}:AUCMetric", _TASKS, bounds=FRACTION),
)
