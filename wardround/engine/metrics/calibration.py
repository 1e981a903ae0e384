"""Metrics of what probabilities are worth as probabilities. Imports no torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.vectors import CohortMetric, by_label, summed_up
from wardround.engine.parts.metrics.classification import ECE

_EPSILON = float(np.finfo(np.float32).eps)


class ProperScore(CohortMetric):
    """The mean over cases of what each prediction costs: least for the true probability."""

    def case_scores(self, vector: np.ndarray, truth: Any) -> dict[str, float]:
        """The case's own; of labels the mean over the known ones."""
        known = np.asarray(truth)
        if not known.ndim:
            return {self.name: float(self.of_class(vector[None], known[None])[0])}
        told = ~np.isnan(known.astype(np.float64))
        return {self.name: float(self.of_label(vector[told], known[told] == 1).mean())} if told.any() else {}

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The mean over the cases."""
        return {self.name: _mean(self.of_class(vectors, truths))}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The mean over the labels, and each label's."""
        found = {name: _mean(self.of_label(some, known)) for name, some, known in by_label(vectors, truths, names)}
        return summed_up(self.name, found, len(truths))

    @abstractmethod
    def of_class(self, vectors: np.ndarray, truths: np.ndarray) -> np.ndarray:
        """(cases,) of probabilities (cases, classes) and indices (cases,)."""

    @abstractmethod
    def of_label(self, probabilities: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(cases,) of probabilities of a label, and whether it is true."""


class BrierMetric(ProperScore):
    """Squared error of the probabilities (Brier 1950): of two classes of the second, from 0 to 1; of more the sum over
    them, from 0 to 2."""

    name = "brier"

    def of_class(self, vectors: np.ndarray, truths: np.ndarray) -> np.ndarray:
        """Half of the sum over two classes is the square of either."""
        errors = vectors.astype(np.float64) - (np.arange(vectors.shape[1]) == truths[:, None])
        squares = np.square(errors)
        return np.asarray(squares[:, 1] if vectors.shape[1] == 2 else squares.sum(axis=1).clip(max=2.0))

    def of_label(self, probabilities: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Squares."""
        return np.asarray(np.square(probabilities.astype(np.float64) - known))


class LogLossMetric(ProperScore):
    """-log p of the true class, p held off 0 and 1 by float32's epsilon."""

    name = "log_loss"

    def of_class(self, vectors: np.ndarray, truths: np.ndarray) -> np.ndarray:
        """Of the true class."""
        return _surprise(vectors[np.arange(len(truths)), truths])

    def of_label(self, probabilities: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Of what is true of the label."""
        return _surprise(np.where(known, probabilities, 1 - probabilities))


class ECEMetric(CohortMetric):
    """sum_b n_b / n |right_b - p_b| over bins b of the probability (Guo et al. 2017), whose mean in the bin is p_b.

    Of classes the probability is that of the most probable one, and right is how often it is true; of labels it is that
    of the label, which is then true.
    """

    name = "ece"

    def __init__(self, parameters: ECE) -> None:
        super().__init__(parameters)
        self._bins = parameters.bins

    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`ece`."""
        right = np.argmax(vectors, axis=1) == truths
        return {self.name: Summary(self._error(vectors.max(axis=1), right), len(truths))}

    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`ece`, the mean over the labels, and `ece.<label>`."""
        pairs = by_label(vectors, truths, names)
        found = {name: Summary(self._error(some, known), len(known)) for name, some, known in pairs}
        return summed_up(self.name, found, len(truths))

    def _error(self, probabilities: np.ndarray, right: np.ndarray) -> float:
        return Reliability.of(probabilities, right, self._bins).error


@dataclass(frozen=True)
class Reliability:
    """Probabilities in bins of equal width: of each bin the cases, the sum of their probabilities, and how many of them
    came true; arrays (bins,)."""

    cases: np.ndarray
    probability: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, probabilities: np.ndarray, right: np.ndarray, bins: int) -> Reliability:
        """Of probabilities (cases,) and whether they came true (cases,); 1 is in the last bin."""
        exact = probabilities.astype(np.float64)
        places = np.minimum((exact * bins).astype(np.int64), bins - 1)
        right_in, sums = (np.bincount(places, weights=each, minlength=bins) for each in (right, exact))
        return cls(np.bincount(places, minlength=bins), sums, right_in)

    @property
    def error(self) -> float:
        """The expected calibration error."""
        return float(min(np.abs(self.right - self.probability).sum() / self.cases.sum(), 1.0))


def _surprise(probabilities: np.ndarray) -> np.ndarray:
    return np.asarray(-np.log(probabilities.astype(np.float64).clip(_EPSILON, 1 - _EPSILON)))


def _mean(values: np.ndarray) -> Summary:
    return Summary(float(values.mean()), len(values), of_mean(values.tolist()))
