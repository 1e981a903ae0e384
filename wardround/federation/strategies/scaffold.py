"""SCAFFOLD (Karimireddy et al. 2020, "Stochastic Controlled Averaging for Federated Learning"), option II.

Each site keeps a control variate `c_i`, an estimate of its gradient; `c` is that of all sites. A local step descends
along `g - c_i + c`, so that sites that differ do not drift apart. After K steps from x to y with learning rates r_k,

    c_i' = c_i - c + (x - y) / sum(r_k)

The site sends `c_i' - c_i`. The aggregator averages the weights, and moves c by the mean of what was sent, times the
part of the roster that has replied. Both means are weighted as the plan says, so that c is the gradient of the same
weighted objective whose optimum the weights seek.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.parts import Parameters
from wardround.engine.parts.optimization import SGD
from wardround.engine.study import Study
from wardround.federation.model_group import MODEL_GROUP
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters, PlainHalf
from wardround.federation.strategies.mean import WeightedMean
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Folded, Incoming, Sent, SiteHalf
from wardround.federation.strategies.sharing import WEIGHTS, Group, Like, Sharing

if TYPE_CHECKING:
    from torch import Tensor, nn

CONTROL = "control"
_GROUP = f"{CONTROL}/"


class ScaffoldParameters(Parameters):
    """SCAFFOLD (Karimireddy et al. 2020): control variates correct every step of a site for how sites differ.

    It has no parameters, and wants the optimizer `sgd` without momentum. Twice as many bytes travel as with `fedavg`.
    """


class Scaffold(FedAvg):
    """Control variates, each with the shapes of what is learned, go down and come up beside the weights.

    Of one site `c_i` is `c` to the last bit, so that its training is corrected by zero: it learns what `fedavg` learns.
    """

    sharing = Sharing(
        down=(WEIGHTS, Group(CONTROL, "the control variate: the mean gradient of all sites", Like.LEARNED)),
        up=(WEIGHTS, Group(CONTROL, "the change of this site's control variate, its mean gradient", Like.LEARNED)),
    )

    def __init__(self, parameters: ScaffoldParameters) -> None:
        super().__init__(FedAvgParameters())

    def flaws(self, study: Study) -> Sequence[Problem]:
        """Only plain SGD moves by its gradients, which is what a control variate is reckoned from."""
        optimizer = study.training.optimizer
        if isinstance(optimizer.parameters, SGD) and not optimizer.parameters.momentum:
            return ()
        got = f"{optimizer.name} with momentum" if isinstance(optimizer.parameters, SGD) else optimizer.name
        return (
            Problem(
                "scaffold reckons a site's gradient from how far its weights move, which only plain SGD allows",
                got=f"the study's optimizer {got}",
                expected="sgd without momentum",
                remedy="Write `optimizer: {name: sgd, learning_rate: ...}` in the study, or take another strategy, "
                "such as fedprox, which goes with every optimizer",
            ),
        )

    def at_site(self, incoming: Incoming, network: nn.Module) -> SiteHalf:
        """The correction of gradients, which is added after they are clipped and before the optimiser."""
        return _Corrected(incoming, network)

    def begin(self, base: Arrays, state: Arrays, sites: int) -> Fold:
        """Start both means."""
        return _TwoMeans({name: array for name, array in base.items() if name.startswith(_GROUP)}, sites)


class _Corrected(PlainHalf):
    def __init__(self, incoming: Incoming, network: nn.Module) -> None:
        self._common = {name: array for name, array in incoming.shared.items() if name.startswith(_GROUP)}
        zeros = {name: np.zeros_like(array) for name, array in self._common.items()}
        self._own = {name: incoming.carried.get(name, zero) for name, zero in zeros.items()}
        self._walked = sum(incoming.rates)
        weights = _trainable(network)
        self._start = {name: weight.detach().clone() for name, weight in weights.items()}
        self._corrections = {name: self._correction(name, weight) for name, weight in weights.items()}

    def before_update(self, network: nn.Module) -> None:
        """Add `c - c_i` to each gradient. A weight that has none does not move, and is not corrected."""
        for name, weight in _trainable(network).items():
            if weight.grad is not None:
                weight.grad += self._corrections[name]

    def finish(self, network: nn.Module) -> Sent:
        """The change of `c_i` in float32; what is kept is the old one plus this very change, as is added to `c`."""
        moved = {
            f"{_GROUP}{name}": (self._start[name] - weight.detach()).cpu().double().numpy()
            for name, weight in _trainable(network).items()
        }
        changes = {name: self._change(name, moved.get(name)) for name in self._common}
        return Sent(shared=changes, carried={name: _plus(self._own[name], changes[name]) for name in changes})

    def _correction(self, name: str, weight: Tensor) -> Tensor:
        import torch

        named = f"{_GROUP}{name}"
        difference = self._common[named].astype(np.float64) - self._own[named]
        return torch.from_numpy(difference).to(weight.device, weight.dtype)

    def _change(self, name: str, moved: np.ndarray | None) -> np.ndarray:
        """`(x - y) / sum(r_k) - c`; none of what is not learned here, nor where no step had a learning rate."""
        if moved is None or not self._walked:
            return np.zeros_like(self._common[name])
        change: np.ndarray = (moved / self._walked - self._common[name]).astype(np.float32)
        return change


def _trainable(network: nn.Module) -> Mapping[str, nn.Parameter]:
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


def _plus(array: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Their sum, rounded once, the same at both ends."""
    total: np.ndarray = (array.astype(np.float64) + change).astype(np.float32)
    return total


class _TwoMeans:
    def __init__(self, common: Arrays, sites: int) -> None:
        self._common, self._sites, self._replies = common, sites, 0
        self._weights, self._changes = WeightedMean(), WeightedMean()

    def add(self, contribution: Contribution) -> None:
        """Add one site. Raises ValueError for a weight below 1."""
        for group, mean in ((MODEL_GROUP, self._weights), (_GROUP, self._changes)):
            arrays = {name: array for name, array in contribution.arrays.items() if name.startswith(group)}
            mean.add(arrays, contribution.weight)
        self._replies += 1

    def finish(self) -> Folded:
        """The mean of the weights, and the control variate moved on. Empties this fold."""
        part = self._replies / self._sites
        weights, changes = self._weights.finish(), self._changes.finish()
        control = {name: _plus(array, part * changes[name].astype(np.float64)) for name, array in self._common.items()}
        return Folded({**weights, **control}, {})
