"""Work on big arrays by blocks, so that intermediate results never have the size of the whole. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

BLOCK = 1 << 20
"""Values of a block: its float64 intermediates stay within the processor's caches and a few megabytes."""


def blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of an array in C order, one after the other, as one-dimensional pieces. Writing to them writes to it."""
    if not array.flags.c_contiguous:
        raise ValueError("only an array in C order has blocks that are views")
    flat = array.reshape(-1)
    return (flat[first : first + BLOCK] for first in range(0, len(flat), BLOCK))


def counts(array: np.ndarray, length: int) -> np.ndarray:
    """How often each integer from 0 up to, not including, `length` occurs: `np.bincount` without its eight bytes a
    value."""
    total = np.zeros(length, dtype=np.int64)
    for part in blocks(np.ascontiguousarray(array)):
        total += np.bincount(part, minlength=length)
    return total


def pairwise_sum(part: Callable[[int, int], np.ndarray], first: int, last: int) -> float:
    """The sum of float64 values that `part(first, last)` gives piece by piece.

    Adds in the order in which numpy sums one long array, pairwise, so that it gives numpy's very bits: halves are cut
    at multiples of eight, as `np.add.reduce` cuts them.
    """
    count = last - first
    if count <= BLOCK:
        return float(np.add.reduce(part(first, last)))
    half = count // 2
    middle = first + half - half % 8
    return pairwise_sum(part, first, middle) + pairwise_sum(part, middle, last)
