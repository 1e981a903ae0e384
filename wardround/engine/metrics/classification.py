"""Metrics of class probabilities: what is right, and how cases are ranked. Imports no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wardround.engine.metrics.intervals import of_area, of_proportion
from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.thresholds import Thresholds
from wardround.engine.metrics.vectors import LEAST, CohortMetric, by_class, by_label, summed_up
from wardround.engine.summaries import Confusion


class AccuracyMetric(CohortMetric):
    """Fraction of cases whose most probable class is the true one; of equally probable classes the first counts. Of
    labels the fraction that is right, of each and the mean over them."""

    name = "accuracy"

    def case_scores(self, vector: np.ndarray, truth: Any) -> dict[str, float]:
        """`accuracy`: 1 if the case is right, else 0; of labels the part of the known ones that is right."""
        known = np.asarray(truth, dtype=np.float64)
        if not known.ndim:
            return {self.name: float(np.argmax(vector) == truth)}
        right = (vector >= LEAST) == (known == 1)
        told = ~np.isnan(known)
        return {self.name: float(right[told].mean())} if told.any() else {}

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`accuracy` over the cases, with Wilson's interval."""
        found = Confusion.of(truths, np.argmax(vectors, axis=1), len(names))
        interval = of_proportion(found.correct, found.total)
        return {self.name: Summary(found.correct / found.total, found.total, interval)}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`accuracy`, the mean over the labels, and `accuracy.<label>`."""
        found = {}
        for name, some, known in by_label(vectors, truths, names):
            right = int(((some >= LEAST) == known).sum())
            found[name] = Summary(right / len(known), len(known), of_proportion(right, len(known)))
        return summed_up(self.name, found, len(truths))


class RankingMetric(CohortMetric):
    """A score of how well the probability of a class tells cases of it from others.

    With two classes it is that of the second; with more, the mean of each class against the rest, over the classes that
    some cases have and others lack (also as `<metric>.<class>`); of labels the mean over them. Of classes or labels
    that are chosen it is the mean over those. Merged across hospitals it is the mean of theirs weighted by cases, not
    that of all cases together.
    """

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """Of the second of two classes alone where none is chosen; else the mean and each class's."""
        if len(names) == 2 and not self._chosen:
            second = self._summary(vectors[:, 1], truths == 1)
            return {} if second is None else {self.name: second}
        return self._all(by_class(vectors, truths, names), len(truths))

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The mean and each label's."""
        return self._all(by_label(vectors, truths, names), len(truths))

    def _all(self, pairs: Iterable[tuple[str, np.ndarray, np.ndarray]], cases: int) -> Mapping[str, Summary]:
        found = {name: self._summary(some, known) for name, some, known in pairs}
        defined = {name: each for name, each in found.items() if each is not None}
        return summed_up(self.name, defined, cases, self._chosen)

    def _summary(self, scores: np.ndarray, positive: np.ndarray) -> Summary | None:
        return self.summary(scores, positive) if positive.any() and not positive.all() else None

    @abstractmethod
    def summary(self, scores: np.ndarray, positive: np.ndarray) -> Summary:
        """Of scores (cases,), where some cases are positive and others not."""


class AUCMetric(RankingMetric):
    """Area under the ROC curve (Hanley & McNeil 1982)."""

    name = "auc"

    def summary(self, scores: np.ndarray, positive: np.ndarray) -> Summary:
        """With DeLong's interval."""
        return Summary(Thresholds.of(scores, positive).area, len(positive), of_area(scores, positive))


class AveragePrecisionMetric(RankingMetric):
    """sum_n (R_n - R_{n-1}) P_n over thresholds n, of recall R and precision P, without interpolation."""

    name = "average_precision"

    def summary(self, scores: np.ndarray, positive: np.ndarray) -> Summary:
        """Over all cases."""
        return Summary(Thresholds.of(scores, positive).average_precision, len(positive))
