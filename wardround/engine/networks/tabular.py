"""Networks of tables, and what joins a table to what a network has seen of an image."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from wardround.engine.parts.networks.tabular import Dense, Linear

SEEN = 32
"""Numbers that an image network says of an image where a table joins it."""


class FusedNetwork(nn.Module):
    """Late fusion: the features of the table stand beside what the image network says, before one linear head.

    The image network's own outputs, without an activation, are what it says: `SEEN` numbers through ReLU.
    """

    def __init__(self, image_network: nn.Module, features: int, outputs: int) -> None:
        super().__init__()
        self.image_network = image_network
        self.head = nn.Linear(SEEN + features, outputs)

    def forward(self, images: Tensor, table: Tensor) -> Tensor:
        """(samples, outputs) of (samples, channels, *patch) and (samples, features)."""
        seen = self.image_network(images).relu()
        outputs: Tensor = self.head(torch.cat([seen, table.to(seen.dtype)], dim=1))
        return outputs


def build_linear(parameters: Linear, features: int, outputs: int) -> nn.Module:
    """One linear layer, all zero: the loss of a linear model has one minimum, whatever it begins with."""
    layer = nn.Linear(features, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def build_dense(parameters: Dense, features: int, outputs: int) -> nn.Module:
    """Linear layers with ReLU and dropout after each but the last."""
    layers: list[nn.Module] = []
    for size, wider in pairwise((features, *parameters.hidden)):
        layers += [nn.Linear(size, wider), nn.ReLU(), nn.Dropout(parameters.dropout)]
    return nn.Sequential(*layers, nn.Linear(parameters.hidden[-1], outputs))
