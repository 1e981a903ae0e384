"""Where packages that were written for release 0.2.0 import FedAvg from, to derive from it, in the form that it had."""

from __future__ import annotations

from wardround.federation.strategies.earlier import EarlierFold
from wardround.federation.strategies.fedavg import FedAvgParameters
from wardround.federation.strategies.mean import WeightedMean
from wardround.federation.strategies.protocol import Arrays, Folded

__all__ = ["FedAvg", "FedAvgParameters"]


class FedAvg:
    """Federated averaging (McMahan et al. 2017) without a half at the sites and without a declaration of what crosses.

    A strategy that has neither is taken as one of release 0.2.0, and given both (`earlier.WithoutSiteHalf`).
    """

    def __init__(self, parameters: FedAvgParameters) -> None:
        self.parameters = parameters

    def begin(self, base: Arrays, state: Arrays) -> EarlierFold:
        """Start a mean. Neither the base nor a state enters it."""
        return _Mean()


class _Mean:
    def __init__(self) -> None:
        self._mean = WeightedMean()

    def add(self, update: Arrays, weight: int) -> None:
        """Add one site. Raises ValueError for a weight below 1."""
        self._mean.add(update, weight)

    def finish(self) -> Folded:
        """The mean. Raises ValueError when nothing was added."""
        return Folded(self._mean.finish(), {})
