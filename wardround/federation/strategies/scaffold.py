"""SCAFFOLD (Karimireddy et al. 2020, "Stochastic Controlled Averaging for Federated Learning"), option II.

Each site keeps a control variate `c_i`, an estimate of its gradient; `c` is that of all sites. A local step descends
along `g - c_i + c`, so that sites that differ do not drift apart. After K steps from x to y with learning rates r_k,

    c_i' = c_i - c + (x - y) / sum(r_k)

The site sends `c_i'`. The aggregator averages the weights, and keeps the last `c_i` and the training cases of each site
of the roster; c is made of those anew in every round, as their mean. Both means are weighted as the plan says, so that
c is the gradient of the same weighted objective whose optimum the weights seek.

The paper sends `c_i' - c_i` and moves c by it: while all sites weigh the same and nothing is lost, c is that mean as
well. But whatever once comes between c and the sites' own would stay for ever, and with it a bias in every step: a
site that was away and weighs more than others, has lost its state, sent something wrong, or has left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.parts import Parameters
from wardround.engine.parts.optimization import SGD
from wardround.engine.study import Study
from wardround.federation.model_group import MODEL_GROUP
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters, PlainHalf
from wardround.federation.strategies.mean import WeightedMean
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Folded, Incoming, Sent, SiteHalf, Sites
from wardround.federation.strategies.sharing import WEIGHTS, Group, Like, Sharing

if TYPE_CHECKING:
    from torch import Tensor, nn

CONTROL = "control"
_GROUP = f"{CONTROL}/"
_OWN, _CASES = "own", "cases"


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
        up=(WEIGHTS, Group(CONTROL, "this site's control variate: its mean gradient", Like.LEARNED)),
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

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Start with what is known of the sites of the roster.

        The state has `own/<site>/<tensor>`, the control variate that a site sent last, and `cases/<site>`.
        """
        return _Controlled(_known(state, sites), sites)


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
        """The new `c_i` in float32, the same for the aggregator and to keep."""
        moved = {
            f"{_GROUP}{name}": (self._start[name] - weight.detach()).cpu().double().numpy()
            for name, weight in _trainable(network).items()
        }
        own = {name: self._renewed(name, moved.get(name)) for name in self._common}
        return Sent(shared=own, carried=own)

    def _correction(self, name: str, weight: Tensor) -> Tensor:
        import torch

        named = f"{_GROUP}{name}"
        difference = self._common[named].astype(np.float64) - self._own[named]
        return torch.from_numpy(difference).to(weight.device, weight.dtype)

    def _renewed(self, name: str, moved: np.ndarray | None) -> np.ndarray:
        """`c_i - c + (x - y) / sum(r_k)`; as it was for what is not learned here, and where no step had a rate."""
        if moved is None or not self._walked:
            return self._own[name]
        renewed: np.ndarray = self._own[name].astype(np.float64) - self._common[name] + moved / self._walked
        return renewed.astype(np.float32)


def _trainable(network: nn.Module) -> Mapping[str, nn.Parameter]:
    return {name: weight for name, weight in network.named_parameters() if weight.requires_grad}


@dataclass(frozen=True)
class _Known:
    """What a site sent last: its training cases and its control variate."""

    cases: int
    control: Arrays


def _known(state: Arrays, sites: Sites) -> dict[str, _Known]:
    """What the last round left of each site that is on the roster now, if it was ever heard from."""
    own: dict[str, dict[str, np.ndarray]] = {site: {} for site in sites.names}
    for name, array in state.items():
        group, site, tensor = (*name.split("/", 2), "")[:3]
        if group == _OWN and site in own:
            own[site][tensor] = array
    heard = [site for site in sites.names if f"{_CASES}/{site}" in state]
    return {site: _Known(int(state[f"{_CASES}/{site}"]), own[site]) for site in heard}


def _control(arrays: Arrays) -> Arrays:
    """The control variate among what a site sent, by tensor."""
    return {name.removeprefix(_GROUP): array for name, array in arrays.items() if name.startswith(_GROUP)}


class _Controlled:
    """The mean of the weights, and of the control variates of all sites that were ever heard from."""

    def __init__(self, known: dict[str, _Known], sites: Sites) -> None:
        self._known, self._sites, self._weights = known, sites, WeightedMean()

    def add(self, contribution: Contribution) -> None:
        """Add one site. Raises ValueError for a weight below 1."""
        arrays = {name: array for name, array in contribution.arrays.items() if name.startswith(MODEL_GROUP)}
        self._weights.add(arrays, contribution.weight)
        self._known[contribution.site] = _Known(contribution.cases, _control(contribution.arrays))

    def finish(self) -> Folded:
        """The mean of the weights, and the control variate of now. Empties the mean."""
        weights = self._weights.finish()
        return Folded({**weights, **self._common()}, self._state())

    def _common(self) -> Arrays:
        """The weighted mean of the sites' own, in which a site never heard from has zeros, as at its own end.

        Nobody knows its cases: it weighs what the others weigh on average. So the corrections of all sites of the
        roster add up to nothing, as in the paper, also in the round in which it first trains.
        """
        known = [self._known[site] for site in self._sites.names if site in self._known]
        mean = WeightedMean()
        for each, weight in zip(known, self._sites.weigh([each.cases for each in known]), strict=True):
            mean.add(each.control, weight)
        part = len(known) / len(self._sites.names)
        return {f"{_GROUP}{name}": _times(array, part) for name, array in mean.finish().items()}

    def _state(self) -> Arrays:
        """What each site sent last, to be kept."""
        cases = {f"{_CASES}/{site}": np.array(each.cases, np.int64) for site, each in self._known.items()}
        own = {
            f"{_OWN}/{site}/{name}": array for site, each in self._known.items() for name, array in each.control.items()
        }
        return {**cases, **own}


def _times(array: np.ndarray, factor: float) -> np.ndarray:
    """Rounded once; by 1 the same to the last bit."""
    product: np.ndarray = (array.astype(np.float64) * factor).astype(np.float32)
    return product
