"""95 % confidence intervals of scores, the same at every call: what is drawn at random is seeded by the scores. Imports
no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import sha256

import numpy as np

from wardround.engine.basics.randomness import stream
from wardround.engine.metrics.ranks import mean_ranks
from wardround.engine.metrics.scores import Interval

_NORMAL = 1.959963984540054
"""Half of a standard normal variable's central 95 %."""
_DRAWS = 1000
_MOST = 1000
"""Cases that are drawn from; the mean of more is as good as normal."""
_FEWEST = 2


def of_mean(values: Sequence[float]) -> Interval | None:
    """That of a mean over cases: Wilson's where each is 0 or 1, else percentiles of means over cases drawn again
    (Efron 1979), or of the normal distribution where there are many. None of a single case."""
    if len(values) < _FEWEST:
        return None
    found = np.sort(np.asarray(values, dtype=np.float64))  # the order of cases plays no part
    if set(np.unique(found)) <= {0.0, 1.0}:
        return of_proportion(int(found.sum()), len(found))
    if len(found) > _MOST:
        return _around(float(found.mean()), float(found.std(ddof=1)) / math.sqrt(len(found)))
    draws = stream(0, "interval", sha256(found.tobytes()).hexdigest())
    chosen = draws.integers(0, len(found), (_DRAWS, len(found)))
    low, high = np.percentile(found[chosen].mean(axis=1), (2.5, 97.5))
    return Interval(float(low), float(high))


def of_proportion(successes: int, trials: int) -> Interval | None:
    """Wilson's score interval (1927). None of no trial."""
    if not trials:
        return None
    share, square = successes / trials, _NORMAL**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _NORMAL / (1 + square / trials) * math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def of_area(scores: np.ndarray, positive: np.ndarray) -> Interval | None:
    """That of the area under a ROC curve (DeLong et al. 1988). None with fewer than two cases of either kind."""
    above, below = scores[positive], scores[~positive]
    if min(len(above), len(below)) < _FEWEST:
        return None
    ranks = mean_ranks(np.concatenate([above, below]))
    of_above = (ranks[: len(above)] - mean_ranks(above)) / len(below)
    of_below = 1 - (ranks[len(above) :] - mean_ranks(below)) / len(above)
    error = math.sqrt(of_above.var(ddof=1) / len(above) + of_below.var(ddof=1) / len(below))
    found = _around(float(of_above.mean()), error)
    return Interval(max(0.0, found.low), min(1.0, found.high))


def of_folds(values: Sequence[float], tested: float, trained: float) -> Interval | None:
    """That of a mean over test sets that have no case in common, though their training sets have: Student's t with the
    variance s^2 (1 / n + tested / trained), which allows for that (Nadeau & Bengio 2003). None of a single one.

    Args:
        values: a score of each test set.
        tested: how many cases a test set has.
        trained: how many cases were learned from for it.
    """
    if len(values) < _FEWEST:
        return None
    from scipy.special import stdtrit

    found = np.asarray(values, dtype=np.float64)
    error = float(found.std(ddof=1)) * math.sqrt(1 / len(found) + tested / trained)
    half = float(stdtrit(len(found) - 1, 0.975)) * error
    return Interval(float(found.mean()) - half, float(found.mean()) + half)


def _around(middle: float, error: float) -> Interval:
    return Interval(middle - _NORMAL * error, middle + _NORMAL * error)
