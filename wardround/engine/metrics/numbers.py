"""Metrics of numbers, in the unit of the table. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts import Parameters
from wardround.engine.parts.metrics.numbers import EXPLAINED

_ALIKE = 1e-9
"""Truths that differ by no more than this part of the largest have no variance to tell from the rounding of a table."""


class _ErrorMetric(ABC):
    """The mean of an error that each case has: `name`, and `name.<number>` where there are several."""

    name: ClassVar[str]

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    @abstractmethod
    def error(self, differences: np.ndarray) -> np.ndarray:
        """The error of each difference, float64 of any shape."""

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """`name`: the mean over the case's numbers."""
        return {self.name: float(self.error(_differences(vector, truth)).mean())}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`name` over the cases, and each number's."""
        if not len(truths):
            return {}
        means = self.error(_differences(vectors, truths)).mean(axis=0)
        return _summaries(self.name, dict(zip(names, means.tolist(), strict=True)), len(truths))


class MAEMetric(_ErrorMetric):
    """Mean absolute error."""

    name = "mae"

    def error(self, differences: np.ndarray) -> np.ndarray:
        """|d|."""
        return np.asarray(np.abs(differences))


class MSEMetric(_ErrorMetric):
    """Mean squared error."""

    name = "mse"

    def error(self, differences: np.ndarray) -> np.ndarray:
        """d^2."""
        return np.asarray(np.square(differences))


class PearsonMetric:
    """Pearson's correlation, a cohort's score: undefined for a single case, and where predictions or truths are equal.

    Merged across hospitals it is the mean of their correlations weighted by cases, not that of all cases together.
    """

    name = "pearson"

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Nothing: one case has no correlation."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`pearson` over the cases, and each number's."""
        return _by_number(self.name, _correlation, vectors, truths, names)


class R2Metric:
    """1 - sum (y - t)^2 / sum (t - mean t)^2, a cohort's score: undefined where all truths are equal, or differ by no
    more than 1e-9 of the largest, and where predictions are so far off that it lies below -1e18.

    Merged across hospitals it is the mean of theirs weighted by cases.
    """

    name = "r2"

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Nothing: one case has no variance."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`r2` over the cases, and each number's."""
        return _by_number(self.name, _explained, vectors, truths, names)


def _differences(vectors: np.ndarray, truths: np.ndarray) -> np.ndarray:
    return np.asarray(vectors, dtype=np.float64) - np.asarray(truths, dtype=np.float64)


def _by_number(
    name: str,
    score: Callable[[np.ndarray, np.ndarray], float | None],
    vectors: np.ndarray,
    truths: np.ndarray,
    names: Sequence[str],
) -> Mapping[str, Summary]:
    predicted, known = np.asarray(vectors, dtype=np.float64), np.asarray(truths, dtype=np.float64)
    found = {each: score(predicted[:, place], known[:, place]) for place, each in enumerate(names)}
    return _summaries(name, {each: value for each, value in found.items() if value is not None}, len(known))


def _summaries(name: str, by_number: Mapping[str, float], count: int) -> Mapping[str, Summary]:
    scores = named_scores(name, by_number)
    if len(by_number) == 1:
        scores = {name: scores[name]}
    return {each: Summary(value, count) for each, value in scores.items()}


def _correlation(predicted: np.ndarray, known: np.ndarray) -> float | None:
    if len(known) < 2 or np.ptp(predicted) == 0 or np.ptp(known) == 0:
        return None
    # Scaled first, so that no square of a large or tiny number leaves the range of float64.
    one, other = ((each - each.mean()) / np.abs(each - each.mean()).max() for each in (predicted, known))
    return float(np.clip((one @ other) / np.sqrt((one @ one) * (other @ other)), -1.0, 1.0))


def _explained(predicted: np.ndarray, known: np.ndarray) -> float | None:
    if len(known) < 2 or np.ptp(known) <= _ALIKE * np.abs(known).max():
        return None
    # Scaled first, so that no square of a large or tiny number leaves the range of float64.
    spread = known - known.mean()
    unit = np.abs(spread).max()
    with np.errstate(over="ignore"):
        unexplained = np.square((predicted - known) / unit).sum() / np.square(spread / unit).sum()
    explained = 1.0 - float(unexplained)
    return explained if EXPLAINED.hold(explained) else None
