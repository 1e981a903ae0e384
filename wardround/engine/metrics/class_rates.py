"""What becomes of the cases of each class or label: all its rates together, for people who read them side by side.
Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.metrics.classification import AUCMetric
from wardround.engine.metrics.comparison import Overlap
from wardround.engine.metrics.rates import F1Metric, PrecisionMetric, SensitivityMetric, SpecificityMetric
from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.vectors import by_class, by_label, overlaps
from wardround.engine.parts.metrics import AUC
from wardround.engine.parts.metrics.rates import F1, Precision, Sensitivity, Specificity

_SENSITIVITY, _SPECIFICITY = SensitivityMetric(Sensitivity()), SpecificityMetric(Specificity())
_PRECISION, _F1, _AUC = PrecisionMetric(Precision()), F1Metric(F1()), AUCMetric(AUC())


@dataclass(frozen=True)
class ClassRates:
    """The rates of one class or label; each is None where it is undefined.

    Attributes:
        name: of the class or label.
        cases: how many are of it, by prediction and in truth.
    """

    name: str
    cases: Overlap
    sensitivity: Summary | None
    specificity: Summary | None
    precision: Summary | None
    f1: Summary | None

    @classmethod
    def of(cls, name: str, cases: Overlap) -> ClassRates:
        """Those that follow from how many cases are of it."""
        rates = (metric.summary(cases) for metric in (_SENSITIVITY, _SPECIFICITY, _PRECISION, _F1))
        return cls(name, cases, *rates)


def class_rates(vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> tuple[ClassRates, ...]:
    """Of each class of truths (cases,), or of each label of truths (cases, labels) that is known of some case."""
    return tuple(ClassRates.of(name, cases) for name, cases in overlaps(vectors, truths, names).items())


def rates_from(threshold: float, probabilities: np.ndarray, positive: np.ndarray, name: str) -> ClassRates:
    """Of a class that cases are taken for from this probability on."""
    found = probabilities >= threshold
    both = int((found & positive).sum())
    return ClassRates.of(name, Overlap(int(found.sum()), int(positive.sum()), both, len(positive)))


def one_by_one(
    vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each class against the rest, or each label: its name, probabilities (cases,), and which cases are of it."""
    return by_label(vectors, truths, names) if truths.ndim > 1 else by_class(vectors, truths, names)


def area(probabilities: np.ndarray, positive: np.ndarray) -> Summary | None:
    """Under the ROC curve; None where all cases are of the class, or none is."""
    return _AUC.summary(probabilities, positive) if positive.any() and not positive.all() else None
