"""Metrics of risks beside times and events. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.metrics.scores import Summary
from wardround.engine.parts.metrics.survival import CIndex


class CIndexMetric:
    """Harrell's concordance index (Harrell et al. 1982): 0.5 for a guess, 1 for the right order.

    Two cases can be compared where the one with the earlier time had an event then; of two with the same time where one
    had the event and the other not, which was followed on. Equal risks count half. Merged across hospitals it is the
    mean of theirs weighted by cases: patients of two hospitals are not compared.
    """

    name = "c_index"

    def __init__(self, parameters: CIndex) -> None:
        self._parameters = parameters

    def case_scores(self, vector: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Nothing: one case is in no order."""
        return {}

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """`c_index` over the cases; empty where no two can be compared."""
        found = concordance(vectors[:, 0], truths[:, 0], truths[:, 1] > 0) if len(truths) else None
        return {} if found is None else {self.name: Summary(found, len(truths))}


def concordance(risks: np.ndarray, times: np.ndarray, events: np.ndarray) -> float | None:
    """Of (cases,) risks, times and whether the event was seen; None where no two cases can be compared."""
    pairs = right = 0.0
    for risk, time in zip(risks[events], times[events], strict=True):
        later = (times > time) | ((times == time) & ~events)
        pairs += np.count_nonzero(later)
        right += np.count_nonzero(later & (risks < risk)) + np.count_nonzero(later & (risks == risk)) / 2
    return right / pairs if pairs else None
