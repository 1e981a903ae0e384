"""Metrics of class probabilities. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts.metrics import AUC, Accuracy
from wardround.engine.summaries import Confusion


class AccuracyMetric:
    """Fraction of cases whose most probable class is the true one; of equally probable classes the first counts."""

    name = "accuracy"

    def __init__(self, parameters: Accuracy) -> None:
        self._parameters = parameters

    def case_scores(self, probabilities: np.ndarray, target: int) -> dict[str, float]:
        """`accuracy`: 1 if the case is right, else 0."""
        return {self.name: float(np.argmax(probabilities) == target)}

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """`accuracy` over the cases."""
        if not len(targets):
            return {}
        found = Confusion.of(targets, np.argmax(probabilities, axis=1), len(class_names))
        return {self.name: Summary(found.correct / found.total, found.total)}


class AUCMetric:
    """Area under the ROC curve (Hanley & McNeil 1982): a cohort's score, undefined for a single case.

    With two classes it is that of the second; with more, the mean of each class against the rest, over the classes that
    some cases have and others lack (also as `auc.<class>`). Merged across hospitals it is the mean of their curves'
    areas weighted by cases, not the area of the pooled curve.
    """

    name = "auc"

    def __init__(self, parameters: AUC) -> None:
        self._parameters = parameters

    def case_scores(self, probabilities: np.ndarray, target: int) -> dict[str, float]:
        """Nothing: one case has no curve."""
        return {}

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """`auc`, and `auc.<class>` with more than two classes; empty where all cases have one class."""
        if len(class_names) == 2:
            second = _area(probabilities[:, 1], targets == 1)
            return {} if second is None else {self.name: Summary(second, len(targets))}
        areas = {name: _area(probabilities[:, index], targets == index) for index, name in enumerate(class_names)}
        defined = {name: area for name, area in areas.items() if area is not None}
        return {name: Summary(value, len(targets)) for name, value in named_scores(self.name, defined).items()}


def _area(scores: np.ndarray, positive: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))
