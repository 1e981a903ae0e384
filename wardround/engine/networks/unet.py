"""U-Net and residual U-Net in 2D and 3D."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.layers import CONVOLUTIONS, DROPOUTS, LEAK, TRANSPOSED, convolution, initialise, norm
from wardround.engine.parts.networks import ResUNet, UNet

Block = Callable[[UNet, int, int, int], nn.Module]


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut: the input itself, or its projection where grid or channels change."""

    def __init__(self, parameters: UNet, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        dimensions = parameters.dimensions
        self.first = _activated_convolution(parameters, inputs, outputs, stride)
        self.second = _normed_convolution(parameters, outputs, outputs, 1)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            projection = convolution(dimensions, inputs, outputs, width=1, stride=stride)
            self.shortcut = nn.Sequential(projection, norm(parameters.norm, dimensions, outputs))
        self.activation = nn.LeakyReLU(LEAK)
        self.dropout = _dropout(parameters)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid / stride)."""
        total = self.second(self.first(features)) + self.shortcut(features)
        return cast(Tensor, self.dropout(self.activation(total)))


class Decoder(nn.Module):
    """One step up: doubles the grid, joins the encoder's features of that grid, and mixes both."""

    def __init__(self, parameters: UNet, block: Block, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = TRANSPOSED[parameters.dimensions](inputs, outputs, 2, stride=2)
        self.block = block(parameters, 2 * outputs, outputs, 1)

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """(samples, inputs, *grid) and (samples, outputs, *2 grid) to (samples, outputs, *2 grid)."""
        return cast(Tensor, self.block(torch.cat([self.up(features), skipped], dim=1)))


class UNetwork(nn.Module):
    """Encoder and decoder with skip connections (Ronneberger et al. 2015; Cicek et al. 2016).

    `levels` grids, each half as fine as the one above by a strided convolution, with twice the feature maps.
    """

    def __init__(self, parameters: UNet, block: Block, inputs: int, outputs: int) -> None:
        super().__init__()
        widths = [parameters.filters * 2**level for level in range(parameters.levels)]
        pairs = list(zip([inputs, *widths], widths, strict=False))
        self.encoders = nn.ModuleList(
            block(parameters, before, after, 1 if level == 0 else 2) for level, (before, after) in enumerate(pairs)
        )
        self.decoders = nn.ModuleList(
            Decoder(parameters, block, below, here) for here, below in reversed(list(pairwise(widths)))
        )
        self.head = CONVOLUTIONS[parameters.dimensions](widths[0], outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (samples, outputs, *grid) of (samples, inputs, *grid); sides are multiples of 2 ** (levels - 1)."""
        features, skipped = image, []
        for encoder in self.encoders:
            features = encoder(features)
            skipped.append(features)
        for decoder, finer in zip(self.decoders, reversed(skipped[:-1]), strict=True):
            features = decoder(features, finer)
        return cast(Tensor, self.head(features))


def build_unet(parameters: UNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net of two convolutions a block, initialised after He et al. (2015)."""
    return _initialised(UNetwork(parameters, _plain_block, inputs, outputs))


def build_resunet(parameters: ResUNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net of residual blocks, initialised after He et al. (2015)."""
    return _initialised(UNetwork(parameters, ResidualBlock, inputs, outputs))


def _initialised(network: nn.Module) -> nn.Module:
    initialise(network, LEAK)
    return network


def _plain_block(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(
        _activated_convolution(parameters, inputs, outputs, stride),
        _activated_convolution(parameters, outputs, outputs, 1),
        _dropout(parameters),
    )


def _activated_convolution(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(_normed_convolution(parameters, inputs, outputs, stride), nn.LeakyReLU(LEAK))


def _normed_convolution(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    dimensions = parameters.dimensions
    layer = convolution(dimensions, inputs, outputs, stride=stride)
    return nn.Sequential(layer, norm(parameters.norm, dimensions, outputs))


def _dropout(parameters: UNet) -> nn.Module:
    return DROPOUTS[parameters.dimensions](parameters.dropout) if parameters.dropout else nn.Identity()
