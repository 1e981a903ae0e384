"""Densely connected networks for whole images, in 2D and 3D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import Pooled, activated, dropout, pooled_head
from wardround.engine.networks.layers import MAX_POOLS, convolution, initialise, norm
from wardround.engine.parts.networks import DenseNet

LAYERS = {121: (6, 12, 24, 16), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32), 264: (6, 12, 64, 48)}
NARROWING = 4
"""The bottleneck before a layer's convolution has this many times its growth."""


class DenseLayer(nn.Module):
    """Norm and activation before each of two convolutions, whose features are joined to what came in."""

    def __init__(self, parameters: DenseNet, inputs: int) -> None:
        super().__init__()
        inner, dimensions = NARROWING * parameters.growth, parameters.dimensions
        self.path = nn.Sequential(
            _before(parameters, inputs),
            convolution(dimensions, inputs, inner, width=1),
            _before(parameters, inner),
            convolution(dimensions, inner, parameters.growth),
            dropout(dimensions, parameters.dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, inputs + growth, *grid)."""
        return torch.cat([features, self.path(features)], dim=1)


def build_densenet(parameters: DenseNet, inputs: int, outputs: int) -> nn.Module:
    """A DenseNet (Huang et al. 2017): stem, four dense blocks with transitions that halve, linear logits."""
    dimensions, channels = parameters.dimensions, 2 * parameters.growth
    stem = activated(parameters, inputs, channels, width=7, stride=2, activation=nn.ReLU)
    layers: list[nn.Module] = [stem, MAX_POOLS[dimensions](3, stride=2, padding=1)]
    blocks = LAYERS[parameters.depth]
    for block, count in enumerate(blocks):
        for _ in range(count):
            layers.append(DenseLayer(parameters, channels))
            channels += parameters.growth
        if block < len(blocks) - 1:
            layers.append(_transition(parameters, channels))
            channels //= 2
    network = nn.Sequential(*layers, _before(parameters, channels), *pooled_head(dimensions, channels, outputs))
    initialise(network, slope=0.0)
    return network


def _before(parameters: DenseNet, channels: int) -> nn.Module:
    return nn.Sequential(norm(parameters.norm, parameters.dimensions, channels), nn.ReLU())


def _transition(parameters: DenseNet, channels: int) -> nn.Module:
    dimensions = parameters.dimensions
    narrower = convolution(dimensions, channels, channels // 2, width=1)
    return nn.Sequential(_before(parameters, channels), narrower, Pooled((2,) * dimensions, torch.mean))
