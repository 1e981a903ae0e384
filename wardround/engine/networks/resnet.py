"""Residual network for classification, in 2D and 3D.

Own code, not MONAI's `ResNet`: that one keeps BatchNorm in its shortcuts under group norm, fails under instance norm
unless the norm is spelled out, works in place (which hides activations from per-sample gradients), and `import monai`
takes twice as long as torch itself.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from wardround.engine.networks.layers import MAX_POOLS, MEAN_POOLS, convolution, initialise, norm
from wardround.engine.parts.networks import ResNet

STAGES = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BOTTLENECK_DEPTHS = frozenset({50, 101, 152, 200})
EXPANSION = 4


class ResidualUnit(nn.Module):
    """A path beside a shortcut: the input itself, or its projection where grid or channels change."""

    def __init__(self, parameters: ResNet, path: nn.Module, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = path
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = _normed(parameters, inputs, outputs, width=1, stride=stride)
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid / stride)."""
        return cast(Tensor, self.activation(self.path(features) + self.shortcut(features)))


def build_resnet(parameters: ResNet, inputs: int, outputs: int) -> nn.Module:
    """A residual network (He et al. 2016): stem, four stages, mean over the grid, linear logits (samples, outputs)."""
    layers = [_stem(parameters, inputs)]
    channels = parameters.filters
    for stage, units in enumerate(STAGES[parameters.depth]):
        width = parameters.filters * 2**stage
        for unit in range(units):
            layers.append(_unit(parameters, channels, width, stride=2 if stage > 0 and unit == 0 else 1))
            channels = width * _expansion(parameters)
    pool = MEAN_POOLS[parameters.dimensions](1)
    network = nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(channels, outputs))
    initialise(network, slope=0.0)
    return network


def _stem(parameters: ResNet, inputs: int) -> nn.Module:
    if parameters.stem == "small":
        return nn.Sequential(_normed(parameters, inputs, parameters.filters, width=3, stride=1), nn.ReLU())
    return nn.Sequential(
        _normed(parameters, inputs, parameters.filters, width=7, stride=2),
        nn.ReLU(),
        MAX_POOLS[parameters.dimensions](3, stride=2, padding=1),
    )


def _unit(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    outputs = width * _expansion(parameters)
    path = _bottleneck if parameters.depth in BOTTLENECK_DEPTHS else _basic
    return ResidualUnit(parameters, path(parameters, inputs, width, stride), inputs, outputs, stride)


def _basic(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    first = _normed(parameters, inputs, width, width=3, stride=stride)
    return nn.Sequential(first, nn.ReLU(), _normed(parameters, width, width, width=3, stride=1))


def _bottleneck(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        _normed(parameters, inputs, width, width=1, stride=1),
        nn.ReLU(),
        _normed(parameters, width, width, width=3, stride=stride),
        nn.ReLU(),
        _normed(parameters, width, width * EXPANSION, width=1, stride=1),
    )


def _expansion(parameters: ResNet) -> int:
    return EXPANSION if parameters.depth in BOTTLENECK_DEPTHS else 1


def _normed(parameters: ResNet, inputs: int, outputs: int, *, width: int, stride: int) -> nn.Module:
    dimensions = parameters.dimensions
    layer = convolution(dimensions, inputs, outputs, width=width, stride=stride)
    return nn.Sequential(layer, norm(parameters.norm, dimensions, outputs))
