"""A cohort's class probabilities beside what is true, read once for every metric of categories and of labels.

Truths are indices of classes, (cases,); or, where a case may have several labels, (cases, labels) that are 1, 0 or NaN,
which is unknown and takes no part. A label is predicted where its probability is at least a half. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from wardround.engine.metrics.comparison import Overlap
from wardround.engine.metrics.scores import Summary
from wardround.engine.parts import Parameters
from wardround.engine.parts.metrics.chosen import chosen_classes

LEAST = 0.5
"""The probability from which on a label is predicted."""


class CohortMetric(ABC):
    """A score that only a cohort has: of one case there is none."""

    name: ClassVar[str]

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._chosen = chosen_classes(parameters)

    def case_scores(self, vector: np.ndarray, truth: Any) -> dict[str, float]:
        """Nothing."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """The score, and those of the classes or labels; empty where undefined."""
        if not len(truths):
            return {}
        known = np.asarray(truths)
        return self.of_labels(vectors, known, names) if known.ndim > 1 else self.of_classes(vectors, known, names)

    @abstractmethod
    def of_classes(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """Of indices of classes (cases,), one at least."""

    @abstractmethod
    def of_labels(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """Of labels (cases, labels)."""


def by_label(
    vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each label that is known of some case: its name, the probabilities and the truth of those cases."""
    for place, name in enumerate(names):
        known = ~np.isnan(truths[:, place].astype(np.float64))
        if known.any():
            yield name, vectors[known, place], truths[known, place] == 1


def by_class(
    vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each class against the rest: its name, the probabilities of all cases, and which of them are of it."""
    for place, name in enumerate(names):
        yield name, vectors[:, place], truths == place


def overlaps(vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Overlap]:
    """How many cases are of each class or label, by prediction and in truth; of those of which it is known."""
    if truths.ndim == 1:
        chosen = np.argmax(vectors, axis=1)
        pairs = {name: (chosen == place, truths == place) for place, name in enumerate(names)}
    else:
        pairs = {name: (some >= LEAST, known) for name, some, known in by_label(vectors, truths, names)}
    return {
        name: Overlap(int(found.sum()), int(known.sum()), int((found & known).sum()), len(known))
        for name, (found, known) in pairs.items()
    }


def summed_up(
    metric: str, found: Mapping[str, Summary], cases: int, chosen: Collection[str] = ()
) -> dict[str, Summary]:
    """`metric`, and `metric.<class>` for each of the found ones.

    The first is the mean over `cases` of those of the `chosen` that are found, of all where none is chosen; it is left
    out where there is none. One that is chosen alone stands for itself: it keeps its count and its interval.
    """
    among = [found[name] for name in chosen or found if name in found]
    each = {f"{metric}.{name}": summary for name, summary in found.items()}
    if not among:
        return each
    alone = len(chosen) == 1
    return {metric: among[0] if alone else Summary(sum(one.value for one in among) / len(among), cases)} | each
