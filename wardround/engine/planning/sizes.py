"""Sizes of many cases, such as spacings and extents, as one histogram that merges with those of other hospitals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wardround.engine.summaries import Histogram

_LEAST, _GREATEST, _PER_OCTAVE = -16, 32, 1024
"""Powers of two between which sizes lie, and equal bins for each: a bin is less than 0.1 % wide."""
_HALF = 0.5 / _PER_OCTAVE
"""So that whole powers of two, of which 1 mm is one, lie amid a bin."""
_DIGITS = 3
"""That a quantile is good for."""


def sizes_of(values: Sequence[float] | np.ndarray) -> Histogram:
    """Of positive numbers, by their logarithms. Raises ValueError for others."""
    found = np.asarray(values, dtype=np.float64)
    if found.size and not (found > 0).all():
        raise ValueError("a size is above 0")
    bins = (_GREATEST - _LEAST) * _PER_OCTAVE
    return Histogram.of(np.log2(found), _LEAST - _HALF, _GREATEST - _HALF, bins)


def usual(sizes: Histogram, share: float = 0.5) -> float:
    """The quantile of a share of sizes, by default their median, to three digits. Raises ValueError for none."""
    value = float(2 ** sizes.quantile(share))
    return float(f"{value:.{_DIGITS}g}")
