"""Percentiles of voxels, without a copy in double precision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def percentiles_of(values: np.ndarray, wanted: Sequence[float]) -> list[float]:
    """numpy's percentiles of float32 values as it computes them in float64. Sorts `values`, in part."""
    last = values.size - 1
    ranks = [percent / 100 * last for percent in wanted]
    places = sorted({min(math.floor(rank) + step, last) for rank in ranks for step in (0, 1)})
    values.partition(places)
    at = {place: float(values[place]) for place in places}
    return [_between(at[math.floor(rank)], at[min(math.floor(rank) + 1, last)], rank % 1) for rank in ranks]


def _between(low: float, high: float, share: float) -> float:
    """Linear interpolation as numpy's percentile rounds it."""
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share
