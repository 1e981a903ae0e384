"""Federated averaging (McMahan et al. 2017): the mean of the sites' weights, weighted by their training cases."""

from __future__ import annotations

import numpy as np

from wardround.engine.parts import Parameters
from wardround.federation.strategies.protocol import Arrays, Fold, Folded


class FedAvgParameters(Parameters):
    """Federated averaging (McMahan et al. 2017). It has no parameters."""


class FedAvg:
    """`sum(n_i * w_i) / sum(n_i)`, accumulated in float64 in the order of `add` and cast back to each tensor's type.

    Integer tensors, such as the batch counter of batch normalisation, are copied from the first site. With one site
    the result is that site's arrays, bit for bit.
    """

    def __init__(self, parameters: FedAvgParameters) -> None:
        self.parameters = parameters

    def begin(self, base: Arrays, state: Arrays) -> Fold:
        """Start a mean. Neither the base nor a state enters it."""
        return _WeightedMean()


class _WeightedMean:
    """Keeps the first site's arrays as they are; from the second on, one float64 sum per floating-point tensor.

    So the peak is the sums (twice a float32 model) and the one update that is being added.
    """

    def __init__(self) -> None:
        self._kept: dict[str, np.ndarray] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._types: dict[str, np.dtype[np.generic]] = {}
        self._total = 0

    def add(self, update: Arrays, weight: int) -> None:
        """Add one site. Raises ValueError for a weight below 1."""
        if weight < 1:
            raise ValueError(f"a site's weight must be at least 1, got {weight}")
        if not self._total:
            self._kept = dict(update)
        else:
            self._accumulate(update, weight)
        self._total += weight

    def finish(self) -> Folded:
        """The mean. Empties this fold, tensor by tensor."""
        if not self._total:
            raise ValueError("there is nothing to average")
        mean = {name: self._mean(name) for name in list(self._sums)}
        return Folded({**self._kept, **mean}, {})

    def _accumulate(self, update: Arrays, weight: int) -> None:
        if not self._sums:
            self._start_sums()
        for name, total in self._sums.items():
            total += np.multiply(update[name], weight, dtype=np.float64)

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
