"""Metrics of numbers, in the unit of the table, and of the voxels of images. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.ranks import mean_ranks
from wardround.engine.metrics.scores import Interval, Summary
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts import Parameters
from wardround.engine.parts.metrics.numbers import EXPLAINED

_LIMITS = 1.96
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

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], names: Sequence[str]
    ) -> dict[str, float]:
        """Of images (channels, *grid): the mean over voxels, by channel as `ImageMetric.scores`."""
        if prediction.shape != truth.shape:
            raise ValueError(f"a prediction of shape {prediction.shape} for a truth of shape {truth.shape}")
        pairs = zip(names, prediction, truth, strict=True)
        errors = {name: self.error(_differences(one, other)).reshape(-1, 1) for name, one, other in pairs}
        return named_scores(self.name, {name: float(self.of_mean(each)[0]) for name, each in errors.items()})

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """`name`: the mean over the case's numbers."""
        return {self.name: float(self.of_mean(self.error(_differences(vector, truth)[None])).mean())}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`name` over the cases, and each number's."""
        if not len(truths):
            return {}
        errors = self.error(_differences(vectors, truths))
        found = _summaries(self.name, dict(zip(names, self.of_mean(errors).tolist(), strict=True)), len(truths))
        intervals = {f"{self.name}.{name}": self.interval(errors[:, [k]]) for k, name in enumerate(names)}
        intervals[self.name] = self.interval(errors)
        return {name: replace(each, interval=intervals[name]) for name, each in found.items()}

    def of_mean(self, errors: np.ndarray) -> np.ndarray:
        """(numbers,) from errors (cases, numbers)."""
        return np.asarray(errors.mean(axis=0))

    def interval(self, errors: np.ndarray) -> Interval | None:
        """That of the mean over cases and numbers of errors (cases, numbers)."""
        return of_mean(errors.mean(axis=1).tolist())


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


class RMSEMetric(_ErrorMetric):
    """Root of the mean squared error over the cases; of several numbers each, and their mean.

    Merged across hospitals it is the mean of theirs weighted by cases, which is a little less than that of all cases.
    """

    name = "rmse"

    def error(self, differences: np.ndarray) -> np.ndarray:
        """d^2, of which the mean has a root."""
        return np.asarray(np.square(differences))

    def of_mean(self, errors: np.ndarray) -> np.ndarray:
        """The root of the mean."""
        return np.asarray(np.sqrt(errors.mean(axis=0)))

    def interval(self, errors: np.ndarray) -> Interval | None:
        """The roots of the mean square's; none of several numbers."""
        found = of_mean(errors[:, 0].tolist()) if errors.shape[1] == 1 else None
        return found and Interval(max(0.0, found.low) ** 0.5, found.high**0.5)


class NumbersMetric(ABC):
    """A cohort's score of predicted numbers beside the true ones; of one case there is none.

    Merged across hospitals it is the mean of theirs weighted by cases, not that of all cases together.
    """

    name: ClassVar[str]

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Nothing."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The score over the cases, and each number's; empty where undefined."""
        return _by_number(self.name, self.score, vectors, truths, names)

    @abstractmethod
    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """Of one number, float64 (cases,); None where it is undefined."""


class PearsonMetric(NumbersMetric):
    """Pearson's correlation: undefined for a single case, and where predictions or truths are equal."""

    name = "pearson"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """From -1 to 1."""
        return correlation(predicted, known)


class SpearmanMetric(NumbersMetric):
    """Spearman's correlation, Pearson's of ranks (Spearman 1904); equal numbers share the mean of their ranks."""

    name = "spearman"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """From -1 to 1."""
        return correlation(mean_ranks(predicted), mean_ranks(known))


class R2Metric(NumbersMetric):
    """1 - sum (y - t)^2 / sum (t - mean t)^2: undefined where all truths are equal, or differ by no more than 1e-9 of
    the largest, and where predictions are so far off that it lies below -1e18."""

    name = "r2"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """At most 1."""
        return _explained(predicted, known)


class CosineMetric(NumbersMetric):
    """sum y t / sqrt(sum y^2 sum t^2) over the cases: undefined where all predictions or all truths are 0."""

    name = "cosine"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """From -1 to 1."""
        return _direction(predicted, known)


class MedianErrorMetric(NumbersMetric):
    """Median of the absolute errors: no outlier moves it."""

    name = "median_error"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """In the unit of the table."""
        return float(np.median(np.abs(predicted - known))) if len(known) else None


class AbsoluteBiasMetric(NumbersMetric):
    """|mean (y - t)|, the size of the mean difference (Bland & Altman 1986)."""

    name = "absolute_bias"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """In the unit of the table."""
        return float(abs((predicted - known).mean())) if len(known) else None


class LimitsOfAgreementMetric(NumbersMetric):
    """1.96 standard deviations of the differences y - t: 95 % of normally distributed ones lie so near to their mean
    (Bland & Altman 1986)."""

    name = "limits_of_agreement"

    def score(self, predicted: np.ndarray, known: np.ndarray) -> float | None:
        """In the unit of the table; undefined for a single case."""
        return float(_LIMITS * (predicted - known).std(ddof=1)) if len(known) > 1 else None


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


def correlation(predicted: np.ndarray, known: np.ndarray) -> float | None:
    """Pearson's correlation of two vectors of float64; None of a single number, and where one vector is constant."""
    if len(known) < 2 or np.ptp(predicted) == 0 or np.ptp(known) == 0:
        return None
    return _direction(predicted - predicted.mean(), known - known.mean())


def _direction(one: np.ndarray, other: np.ndarray) -> float | None:
    """The cosine of the angle between two vectors; None where one of them is 0."""
    if not (one.any() and other.any()):
        return None
    # Scaled first, so that no square of a large or tiny number leaves the range of float64.
    one, other = (each / np.abs(each).max() for each in (one, other))
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
