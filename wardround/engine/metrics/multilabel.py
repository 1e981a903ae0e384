"""Scores of labels that do not exclude one another, at the threshold of predictions. Imports no torch.

Truths are (cases, labels): 1, 0, or NaN where a label is unknown. What is unknown counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.summaries import named_scores
from wardround.engine.parts.metrics.multilabel import F1
from wardround.engine.targets.labels import THRESHOLD


@dataclass(frozen=True)
class LabelCounts:
    """How often a label was found and missed, over the cases of which it is known."""

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @classmethod
    def of(cls, probabilities: np.ndarray, truths: np.ndarray) -> LabelCounts:
        """Of one label: (cases,) probabilities and truths."""
        known = ~np.isnan(truths)
        found, there = probabilities[known] >= THRESHOLD, truths[known] == 1
        pairs = ((found & there), (found & ~there), (~found & there), (~found & ~there))
        return cls(*(int(np.count_nonzero(pair)) for pair in pairs))

    @property
    def known(self) -> int:
        """Cases of which the label is known."""
        return self.true_positive + self.false_positive + self.false_negative + self.true_negative

    @property
    def accuracy(self) -> float | None:
        """Of all known, those that are right."""
        return _part(self.true_positive + self.true_negative, self.known)

    @property
    def sensitivity(self) -> float | None:
        """Of those that have it, those in which it was found."""
        return _part(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> float | None:
        """Of those that have it not, those in which it was not found."""
        return _part(self.true_negative, self.true_negative + self.false_positive)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None where nobody has it and it was found in nobody."""
        return _part(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)


class F1Metric:
    """F1 of each label at the threshold 0.5, and the mean over the labels that have one."""

    name = "f1"

    def __init__(self, parameters: F1) -> None:
        self._parameters = parameters

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Nothing: one case has no precision."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`f1`, and `f1.<label>` of each label that a case has, or was found to have."""
        return by_label(self.name, lambda one, other: LabelCounts.of(one, other).f1, vectors, truths, names)


def accuracy_of_labels(name: str, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> dict[str, Summary]:
    """The fraction of known labels that are right: each label's, and their mean."""
    return by_label(name, lambda one, other: LabelCounts.of(one, other).accuracy, vectors, truths, names)


def accuracy_of_case(probabilities: np.ndarray, truths: np.ndarray) -> float | None:
    """The fraction of a case's known labels that are right."""
    return LabelCounts.of(probabilities, truths).accuracy


def by_label(
    name: str,
    score: Callable[[np.ndarray, np.ndarray], float | None],
    vectors: np.ndarray,
    truths: np.ndarray,
    names: Sequence[str],
) -> dict[str, Summary]:
    """`name` for the mean over the labels that have a score, then `name.label` for each, over its known cases."""
    counts = dict(zip(names, np.count_nonzero(~np.isnan(truths), axis=0).tolist(), strict=True))
    found = {label: score(vectors[:, place], truths[:, place]) for place, label in enumerate(names)}
    scores = named_scores(name, {label: value for label, value in found.items() if value is not None})
    return {key: Summary(value, counts.get(key.partition(".")[2] or key, len(truths))) for key, value in scores.items()}


def _part(some: int, all_of_them: int) -> float | None:
    return some / all_of_them if all_of_them else None
