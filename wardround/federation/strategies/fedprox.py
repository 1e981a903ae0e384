"""FedProx (Li et al. 2020, "Federated Optimization in Heterogeneous Networks"): sites stay near the incoming model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from wardround.engine.parts import Parameters
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters, PlainHalf
from wardround.federation.strategies.protocol import Incoming, SiteHalf

if TYPE_CHECKING:
    from torch import Tensor, nn


class FedProxParameters(Parameters):
    """FedProx (Li et al. 2020): half of `mu` times the squared distance to the incoming model joins each site's loss.

    The paper tries `mu` of 0.001 to 1: the more the sites differ, the larger. 0 is `fedavg`, bit for bit.
    """

    mu: Annotated[float, Field(ge=0, le=1000)] = 0.01


class FedProx(FedAvg):
    """As `FedAvg`, with the proximal term `mu / 2 * ||w - w_incoming||^2` over all trainable weights at the sites."""

    def __init__(self, parameters: FedProxParameters) -> None:
        super().__init__(FedAvgParameters())
        self.mu = parameters.mu

    def at_site(self, incoming: Incoming, network: nn.Module) -> SiteHalf:
        """The proximal term, which is linear in memory: one copy of the trainable weights."""
        return _Proximal(self.mu, network) if self.mu else PlainHalf()


class _Proximal(PlainHalf):
    def __init__(self, mu: float, network: nn.Module) -> None:
        self._mu = mu
        self._anchors = {
            name: weight.detach().clone() for name, weight in network.named_parameters() if weight.requires_grad
        }

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """Half of mu times the squared distance, in float32 whatever the precision of the network's arithmetic."""
        weights = dict(network.named_parameters())
        distances = [(weights[name] - anchor).float().square().sum() for name, anchor in self._anchors.items()]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return total * (self._mu / 2)
