"""Metrics of class probabilities, and of those of labels that do not exclude one another. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.metrics.multilabel import accuracy_of_case, accuracy_of_labels, by_label
from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts.metrics import AUC, Accuracy
from wardround.engine.summaries import Confusion


class AccuracyMetric:
    """Fraction of cases whose most probable class is the true one; of equally probable classes the first counts.

    Of several labels it is the fraction that is right at the threshold 0.5, also as `accuracy.<label>`.
    """

    name = "accuracy"

    def __init__(self, parameters: Accuracy) -> None:
        self._parameters = parameters

    def case_scores(self, probabilities: np.ndarray, target: int | np.ndarray) -> dict[str, float]:
        """`accuracy`: 1 if the case is right, else 0; of labels the fraction that is right."""
        if np.ndim(target):
            right = accuracy_of_case(probabilities, np.asarray(target))
            return {} if right is None else {self.name: right}
        return {self.name: float(np.argmax(probabilities) == target)}

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """`accuracy` over the cases."""
        if not len(targets):
            return {}
        if targets.ndim == 2:
            return accuracy_of_labels(self.name, probabilities, targets, class_names)
        found = Confusion.of(targets, np.argmax(probabilities, axis=1), len(class_names))
        return {self.name: Summary(found.correct / found.total, found.total)}


class AUCMetric:
    """Area under the ROC curve (Hanley & McNeil 1982): a cohort's score, undefined for a single case.

    With two classes it is that of the second; with more, the mean of each class against the rest, over the classes that
    some cases have and others lack (also as `auc.<class>`); so too of labels that do not exclude one another. Merged
    across hospitals it is the mean of their curves' areas weighted by cases, not the area of the pooled curve.
    """

    name = "auc"

    def __init__(self, parameters: AUC) -> None:
        self._parameters = parameters

    def case_scores(self, probabilities: np.ndarray, target: int | np.ndarray) -> dict[str, float]:
        """Nothing: one case has no curve."""
        return {}

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """`auc`, and `auc.<class>` with more than two classes; empty where all cases have one class."""
        if targets.ndim == 2:
            return by_label(self.name, area_under_curve, probabilities, targets, class_names)
        if len(class_names) == 2:
            second = _area(probabilities[:, 1], targets == 1)
            return {} if second is None else {self.name: Summary(second, len(targets))}
        areas = {name: _area(probabilities[:, index], targets == index) for index, name in enumerate(class_names)}
        defined = {name: area for name, area in areas.items() if area is not None}
        return {name: Summary(value, len(targets)) for name, value in named_scores(self.name, defined).items()}


def area_under_curve(scores: np.ndarray, truths: np.ndarray) -> float | None:
    """Of one label, over the cases of which it is known; None where all or none of them have it."""
    known = ~np.isnan(truths)
    return _area(scores[known], truths[known] == 1)


def _area(scores: np.ndarray, positive: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return None
    return float(roc_auc_score(positive, scores))
