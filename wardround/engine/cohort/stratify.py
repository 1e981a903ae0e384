"""Groups into folds of like size and like mix of classes, or into sets of several sizes.

The rule of folds is scikit-learn's `StratifiedGroupKFold` without shuffling, number for number (a test compares them):
the folds of a cohort must not change with another package's release, and a check of a table must not wait for its
import.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def balanced_folds(counts: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each group. `counts` has the number of cases by group and class; no class is empty.

    Groups whose mix is the most uneven are placed first, those alike in their order. Each goes where the classes'
    shares then differ least between the folds, and among such folds to the one with the fewest cases.
    """
    return balanced_sets(counts, [1.0] * folds)


def balanced_sets(counts: np.ndarray, sizes: Sequence[float]) -> np.ndarray:
    """The same for sets of several sizes, which are above 0 and count in relation to each other: what a set holds is
    measured by its size."""
    counts = counts.astype(np.float64)
    relative = np.asarray(sizes) * len(sizes) / sum(sizes)
    totals, held = counts.sum(axis=0), np.zeros((len(sizes), counts.shape[1]))
    itself = np.eye(len(sizes))[:, :, None]
    chosen = np.empty(len(counts), dtype=np.int64)
    for group in np.argsort(-np.std(counts, axis=1), kind="stable"):
        proposed = held + itself * counts[group]
        spreads = np.std(proposed / totals / relative[:, None], axis=1).mean(axis=1)
        chosen[group] = best = _least(spreads.tolist(), (held.sum(axis=1) / relative).tolist())
        held[best] += counts[group]
    return chosen


def _least(spreads: Sequence[float], sizes: Sequence[float]) -> int:
    """The first fold whose spread is the least; of those that are as good as equal, the one that is smallest."""
    best, least, size = 0, float("inf"), float("inf")
    for fold, (spread, held) in enumerate(zip(spreads, sizes, strict=True)):
        if spread < least or (_close(spread, least) and held < size):
            best, least, size = fold, spread, held
    return best


def _close(value: float, other: float) -> bool:
    return abs(value - other) <= 1e-8 + 1e-5 * abs(other)
