"""The weighted mean of arrays that come one after the other."""

from __future__ import annotations

import numpy as np

from wardround.federation.strategies.protocol import Arrays


class WeightedMean:
    """`sum(n_i * w_i) / sum(n_i)`, accumulated in float64 in the order of `add` and cast back to each tensor's type.

    Integer tensors, such as the batch counter of batch normalisation, are copied from the first arrays. Of one site the
    result is that site's arrays, bit for bit: it keeps the first arrays as they are. From the second on there is one
    float64 sum per floating-point tensor, so that the peak is the sums and the arrays that are being added.
    """

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._types: dict[str, np.dtype[np.generic]] = {}
        self._total = 0

    def add(self, arrays: Arrays, weight: int) -> None:
        """Add the arrays of one site. Raises ValueError for a weight below 1."""
        if weight < 1:
            raise ValueError(f"a site's weight must be at least 1, got {weight}")
        if not self._total:
            self._kept = dict(arrays)
        else:
            self._accumulate(arrays, weight)
        self._total += weight

    def finish(self) -> dict[str, np.ndarray]:
        """The mean. Empties the sums, tensor by tensor. Raises ValueError when nothing was added."""
        if not self._total:
            raise ValueError("there is nothing to average")
        mean = {name: self._mean(name) for name in list(self._sums)}
        return {**self._kept, **mean}

    def _accumulate(self, arrays: Arrays, weight: int) -> None:
        if not self._sums:
            self._start_sums()
        for name, total in self._sums.items():
            total += np.multiply(arrays[name], weight, dtype=np.float64)

    def _start_sums(self) -> None:
        """Move the floating-point tensors of the first site into sums, and let go of its packed bytes."""
        first, self._kept = self._kept, {}
        for name, array in first.items():
            if array.dtype.kind == "f":
                self._sums[name] = np.multiply(array, self._total, dtype=np.float64)
                self._types[name] = array.dtype
            else:
                self._kept[name] = array.copy()

    def _mean(self, name: str) -> np.ndarray:
        mean: np.ndarray = np.divide(self._sums.pop(name), self._total).astype(self._types[name])
        return mean
