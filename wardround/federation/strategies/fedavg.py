"""Federated averaging (McMahan et al. 2017): the mean of the sites' weights, weighted by their training cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardround.engine.basics.problems import Problem
from wardround.engine.parts import Parameters
from wardround.engine.study import Study
from wardround.federation.strategies.mean import WeightedMean
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Folded, Incoming, Sent, SiteHalf, Sites
from wardround.federation.strategies.sharing import WEIGHTS_ALONE, Sharing

if TYPE_CHECKING:
    from torch import Tensor, nn


class FedAvgParameters(Parameters):
    """Federated averaging (McMahan et al. 2017). It has no parameters."""


class FedAvg:
    """Weights go down, weights come up, and their weighted mean is the next global model (`mean.WeightedMean`).

    With one site the result is that site's arrays, bit for bit. Other strategies may derive from it, and say only in
    what they differ.
    """

    sharing: Sharing = WEIGHTS_ALONE

    def __init__(self, parameters: FedAvgParameters) -> None:
        self.parameters = parameters

    def flaws(self, study: Study) -> Sequence[Problem]:
        """Every study goes with it."""
        return ()

    def at_site(self, incoming: Incoming, network: nn.Module) -> SiteHalf:
        """The site trains as its study says."""
        return PlainHalf()

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Start a mean. Neither the base nor a state enters it."""
        return _Mean()


class PlainHalf:
    """A site's half that joins nothing and sends nothing but the weights."""

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """Nothing is added."""
        return None

    def before_update(self, network: nn.Module) -> None:
        """The gradients stay."""

    def after_step(self, network: nn.Module) -> None:
        """The weights stay."""

    def finish(self, network: nn.Module) -> Sent:
        """Nothing beside the weights."""
        return Sent()


class _Mean:
    def __init__(self) -> None:
        self._mean = WeightedMean()

    def add(self, contribution: Contribution) -> None:
        """Add one site. Raises ValueError for a weight below 1."""
        self._mean.add(contribution.arrays, contribution.weight)

    def finish(self) -> Folded:
        """The mean."""
        return Folded(self._mean.finish(), {})
