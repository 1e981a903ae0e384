"""What each threshold on a score makes of the cases: the counts that ROC and precision curves, and the areas below
them, are read from. Imports no torch.

scikit-learn has these curves as well (a test compares every point), but its import takes a second and a half, which a
training of a minute and every prediction would pay for four sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Thresholds:
    """Cases that score at least as much as a threshold, for each distinct score from the highest down.

    Attributes:
        hits: (thresholds,) how many positive cases do.
        false_alarms: (thresholds,) how many others do.
    """

    hits: np.ndarray
    false_alarms: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, positive: np.ndarray) -> Thresholds:
        """Of finite scores (cases,), and which cases are positive."""
        order = np.argsort(-scores, kind="stable")
        ranked, hit = scores[order], positive[order].astype(bool)
        # Cases with equal scores pass a threshold together, so that only the last of each run is a point.
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        return cls(np.cumsum(hit)[last], np.cumsum(~hit)[last])

    @property
    def area(self) -> float:
        """Under the ROC curve, by trapezia: the chance that a positive case scores more than another, of equal ones
        half. In whole numbers up to the last division."""
        hits = np.concatenate([[0], self.hits])
        twice = ((hits[1:] + hits[:-1]) * np.diff(self.false_alarms, prepend=0)).sum()
        return float(twice / (2 * self.hits[-1] * self.false_alarms[-1]))

    @property
    def average_precision(self) -> float:
        """sum_n (R_n - R_{n-1}) P_n, without interpolation."""
        return float((np.diff(self.hits, prepend=0) / self.hits[-1] * self._precision).sum())

    @property
    def roc(self) -> tuple[np.ndarray, np.ndarray]:
        """1 - specificity and sensitivity, from (0, 0) to (1, 1)."""
        alarms, hits = (np.concatenate([[0], counts]) for counts in (self.false_alarms, self.hits))
        return alarms / alarms[-1], hits / hits[-1]

    @property
    def precision_recall(self) -> tuple[np.ndarray, np.ndarray]:
        """Sensitivity and precision, from the lowest threshold to one that no case reaches, where precision is 1."""
        recall = np.concatenate([[0], self.hits]) / self.hits[-1]
        return recall[::-1], np.concatenate([[1.0], self._precision])[::-1]

    @property
    def _precision(self) -> np.ndarray:
        found: np.ndarray = self.hits / (self.hits + self.false_alarms)
        return found
