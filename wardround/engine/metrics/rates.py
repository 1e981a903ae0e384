"""Metrics that count what is found and what is missed: voxels of a case, or cases of a cohort. Imports no torch.

Over a cohort a rate is the mean of the classes' rates, or of those that the study chose. Where it chose none of two
classes that exclude each other, it is that of the second, which is the one a study looks for. Each class has its own
rate beside it, the first too. A class whose rate has nothing below its line (such as the sensitivity of a class that no
case has) is left out. `count` of a class's rate is what stands below the line, so that rates of hospitals merge to that
of all their cases.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.metrics.comparison import Overlap
from wardround.engine.metrics.intervals import of_proportion
from wardround.engine.metrics.scores import Interval, Summary
from wardround.engine.metrics.segmentation import OverlapMetric
from wardround.engine.metrics.vectors import LEAST, CohortMetric, by_label, overlaps, summed_up
from wardround.engine.parts.metrics.classification import Kappa
from wardround.engine.summaries import Confusion


class CountedMetric(CohortMetric):
    """A score of each class or label that follows from how many cases are of it."""

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The mean over the classes that are chosen, where none is over all, or the second of two; and each class's."""
        found = self._by_name(vectors, truths, names)
        if self._chosen or len(names) != 2:
            return summed_up(self.name, found, len(truths), self._chosen)
        return summed_up(self.name, found, len(truths), names[1:]) if names[1] in found else {}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The mean over the labels, or those that are chosen, and each label's."""
        return summed_up(self.name, self._by_name(vectors, truths, names), len(truths), self._chosen)

    def _by_name(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> dict[str, Summary]:
        found = {name: self.summary(each) for name, each in overlaps(vectors, truths, names).items()}
        return {name: each for name, each in found.items() if each is not None}

    @abstractmethod
    def summary(self, overlap: Overlap) -> Summary | None:
        """Of one class or label; None where it is undefined."""


class RateMetric(OverlapMetric, CountedMetric):
    """A fraction of voxels or of cases."""

    @abstractmethod
    def fraction(self, overlap: Overlap) -> tuple[int, int]:
        """What stands above and below the line."""

    def rate(self, overlap: Overlap) -> float | None:
        """Of a class that a case has in prediction or truth: 0 where only one has it."""
        above, below = self.fraction(overlap)
        return above / below if below else 0.0

    def summary(self, overlap: Overlap) -> Summary | None:
        """Of cases, with Wilson's interval."""
        above, below = self.fraction(overlap)
        return Summary(above / below, below, of_proportion(above, below)) if below else None


class SensitivityMetric(RateMetric):
    """TP / (TP + FN)."""

    name = "sensitivity"

    def fraction(self, overlap: Overlap) -> tuple[int, int]:
        """Of all that is there."""
        return overlap.both, overlap.expected


class PrecisionMetric(RateMetric):
    """TP / (TP + FP)."""

    name = "precision"

    def fraction(self, overlap: Overlap) -> tuple[int, int]:
        """Of all that is found."""
        return overlap.both, overlap.found


class SpecificityMetric(RateMetric):
    """TN / (TN + FP)."""

    name = "specificity"

    def fraction(self, overlap: Overlap) -> tuple[int, int]:
        """Of all that is not there."""
        return overlap.true_negatives, overlap.all - overlap.expected

    def rate(self, overlap: Overlap) -> float | None:
        """None where the class fills the whole image."""
        above, below = self.fraction(overlap)
        return above / below if below else None


class F1Metric(CountedMetric):
    """2 TP / (2 TP + FP + FN) over cases; undefined for a class that is neither there nor predicted."""

    name = "f1"

    def summary(self, overlap: Overlap) -> Summary | None:
        """Over all cases. It rises with TP / (TP + FP + FN), a proportion, whose interval is Wilson's."""
        total = overlap.found + overlap.expected
        shares = of_proportion(overlap.both, total - overlap.both)
        interval = None if shares is None else Interval(*(2 * each / (1 + each) for each in (shares.low, shares.high)))
        return Summary(2 * overlap.both / total, overlap.all, interval) if total else None


class MCCMetric(OverlapMetric, CohortMetric):
    """Matthews' correlation coefficient: of voxels per class; of cases that of all classes together (Gorodkin 2004), of
    those that are chosen the mean of each against the rest; or the mean over the labels. Undefined where all is of one
    kind in truth; 0 where it is so in the prediction alone."""

    name = "mcc"

    def rate(self, overlap: Overlap) -> float | None:
        """0 where only one has the class; None where it fills the truth."""
        if not (overlap.found and overlap.expected):
            return 0.0
        return _matthews(_against_rest(overlap))

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`mcc`; where classes are chosen also `mcc.<class>`."""
        if self._chosen:
            return self.of_labels(vectors, truths, names)
        found = _matthews(_confusion(truths, np.argmax(vectors, axis=1), len(names)))
        return {} if found is None else {self.name: Summary(found, len(truths))}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`mcc`, and `mcc.<label>`."""
        counts = overlaps(vectors, truths, names)
        found = {name: (_matthews(_against_rest(each)), each.all) for name, each in counts.items()}
        defined = {name: Summary(value, count) for name, (value, count) in found.items() if value is not None}
        return summed_up(self.name, defined, len(truths), self._chosen)


class BalancedAccuracyMetric(CohortMetric):
    """The mean of the sensitivities of the classes that some case has; of a label that of its sensitivity and its
    specificity, and over labels their mean."""

    name = "balanced_accuracy"

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`balanced_accuracy`, of the classes that are chosen where some are."""
        found = overlaps(vectors, truths, names)
        counted = [found[name] for name in self._chosen or found]
        rates = [each.both / each.expected for each in counted if each.expected]
        return {self.name: Summary(math.fsum(rates) / len(rates), len(truths))} if rates else {}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`balanced_accuracy`, and `balanced_accuracy.<label>` for each that some cases have and others lack."""
        found = {}
        for name, each in overlaps(vectors, truths, names).items():
            absent = each.all - each.expected
            if each.expected and absent:
                rates = each.both / each.expected, each.true_negatives / absent
                found[name] = Summary(sum(rates) / 2, each.all)
        return summed_up(self.name, found, len(truths), self._chosen)


class KappaMetric(CohortMetric):
    """1 - sum(w O) / sum(w E) of the observed table O and the one E that chance would give, with weights w of mistakes
    (Cohen 1968). Undefined where chance would be right."""

    name = "kappa"

    def __init__(self, parameters: Kappa) -> None:
        super().__init__(parameters)
        self._power = {"none": 0, "linear": 1, "quadratic": 2}[parameters.weights]

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`kappa`."""
        found = self._kappa(_confusion(truths, np.argmax(vectors, axis=1), len(names)))
        return {} if found is None else {self.name: Summary(found, len(truths))}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`kappa`, and `kappa.<label>`."""
        found = {
            name: (self._kappa(table), int(table.sum())) for name, table in _tables(vectors, truths, names).items()
        }
        defined = {name: Summary(value, count) for name, (value, count) in found.items() if value is not None}
        return summed_up(self.name, defined, len(truths))

    def _kappa(self, table: np.ndarray) -> float | None:
        places = np.arange(len(table))
        apart = np.abs(places[:, None] - places[None])
        weights = (apart > 0).astype(np.float64) if self._power == 0 else apart.astype(np.float64) ** self._power
        chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        expected = float((weights * chance).sum())
        return max(-1.0, 1 - float((weights * table).sum()) / expected) if expected else None


def _confusion(truths: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) float64, truth by prediction."""
    return np.array(Confusion.of(truths, predicted, classes).counts, dtype=np.float64)


def _against_rest(overlap: Overlap) -> np.ndarray:
    """(2, 2) of a class and what is not of it, truth by prediction."""
    wrong = overlap.false_positives, overlap.false_negatives
    return np.array([[overlap.true_negatives, wrong[0]], [wrong[1], overlap.both]])


def _tables(vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """(2, 2) of each label."""
    return {
        name: _confusion(known.astype(np.int64), (some >= LEAST).astype(np.int64), 2)
        for name, some, known in by_label(vectors, truths, names)
    }


def _matthews(table: np.ndarray) -> float | None:
    """The correlation of truth and prediction in a table; None where all is of one class in truth."""
    shares = np.asarray(table, dtype=np.float64) / table.sum()
    true, predicted = shares.sum(axis=1), shares.sum(axis=0)
    varied, spread = 1 - float(true @ true), 1 - float(predicted @ predicted)
    if np.count_nonzero(true) < 2:
        return None
    if np.count_nonzero(predicted) < 2:
        return 0.0
    return float(np.clip((np.trace(shares) - true @ predicted) / math.sqrt(varied * spread), -1.0, 1.0))
