"""U-Net and residual U-Net in 2D and 3D."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.layers import CONVOLUTIONS, DROPOUTS, LEAK, TRANSPOSED, convolution, initialise, norm
from wardround.engine.parts.networks import ResUNet, UNet

Join = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Style:
    """What tells one U-Net from another.

    Attributes:
        encode: (parameters, inputs, outputs, stride) to the block of one level.
        decode: (parameters, inputs, outputs) to the step up from the level below.
    """

    encode: Callable[[UNet, int, int, int], nn.Module]
    decode: Callable[[UNet, int, int], nn.Module]


class ResidualBlock(nn.Module):
    """A path beside a shortcut: the input itself, or its projection where grid or channels change."""

    def __init__(self, parameters: UNet, path: nn.Module, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = path
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = _normed_convolution(parameters, inputs, outputs, width=1, stride=stride)
        self.activation = nn.LeakyReLU(LEAK)
        self.dropout = _dropout(parameters)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid / stride)."""
        total = self.path(features) + self.shortcut(features)
        return cast(Tensor, self.dropout(self.activation(total)))


class Decoder(nn.Module):
    """One step up: doubles the grid, joins the encoder's features of that grid, and mixes both."""

    def __init__(self, up: nn.Module, join: Join, block: nn.Module) -> None:
        super().__init__()
        self.up, self.join, self.block = up, join, block

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """(samples, inputs, *grid) and (samples, outputs, *2 grid) to (samples, outputs, *2 grid)."""
        return cast(Tensor, self.block(self.join(self.up(features), skipped)))


class UNetwork(nn.Module):
    """Encoder and decoder with skip connections.

    `levels` grids, each half as fine as the one above by a strided convolution, with twice the feature maps.
    """

    def __init__(self, parameters: UNet, style: Style, inputs: int, outputs: int) -> None:
        super().__init__()
        widths = [parameters.filters * 2**level for level in range(parameters.levels)]
        self.encoders = nn.ModuleList(
            style.encode(parameters, before, after, 1 if level == 0 else 2)
            for level, (before, after) in enumerate(pairwise([inputs, *widths]))
        )
        self.decoders = nn.ModuleList(
            style.decode(parameters, below, here) for here, below in reversed(list(pairwise(widths)))
        )
        self.head = CONVOLUTIONS[parameters.dimensions](widths[0], outputs, 1)
        initialise(self, LEAK)

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
    """A U-Net (Ronneberger et al. 2015; Cicek et al. 2016): two convolutions a block, skips by concatenation."""
    return UNetwork(parameters, Style(_plain_block, _plain_decoder), inputs, outputs)


def build_resunet(parameters: ResUNet, inputs: int, outputs: int) -> nn.Module:
    """A residual U-Net with a light decoder (Myronenko 2018).

    Blocks of two convolutions go down, of one go up, and skips are added. Most of a U-Net's time goes into its finest
    decoder; this one takes a bit more than half the time of the plain network.
    """
    return UNetwork(parameters, Style(_residual_block, _residual_decoder), inputs, outputs)


def _plain_block(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    first = _activated_convolution(parameters, inputs, outputs, stride)
    return nn.Sequential(first, _activated_convolution(parameters, outputs, outputs, 1), _dropout(parameters))


def _plain_decoder(parameters: UNet, inputs: int, outputs: int) -> nn.Module:
    return Decoder(_up(parameters, inputs, outputs), _concatenated, _plain_block(parameters, 2 * outputs, outputs, 1))


def _residual_block(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    first = _activated_convolution(parameters, inputs, outputs, stride)
    path = nn.Sequential(first, _normed_convolution(parameters, outputs, outputs))
    return ResidualBlock(parameters, path, inputs, outputs, stride)


def _residual_decoder(parameters: UNet, inputs: int, outputs: int) -> nn.Module:
    path = _normed_convolution(parameters, outputs, outputs)
    block = ResidualBlock(parameters, path, outputs, outputs, 1)
    return Decoder(_up(parameters, inputs, outputs), torch.add, block)


def _concatenated(first: Tensor, second: Tensor) -> Tensor:
    return torch.cat([first, second], dim=1)


def _up(parameters: UNet, inputs: int, outputs: int) -> nn.Module:
    return TRANSPOSED[parameters.dimensions](inputs, outputs, 2, stride=2)


def _activated_convolution(parameters: UNet, inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(_normed_convolution(parameters, inputs, outputs, stride=stride), nn.LeakyReLU(LEAK))


def _normed_convolution(parameters: UNet, inputs: int, outputs: int, *, width: int = 3, stride: int = 1) -> nn.Module:
    dimensions = parameters.dimensions
    layer = convolution(dimensions, inputs, outputs, width=width, stride=stride)
    return nn.Sequential(layer, norm(parameters.norm, dimensions, outputs))


def _dropout(parameters: UNet) -> nn.Module:
    return DROPOUTS[parameters.dimensions](parameters.dropout) if parameters.dropout else nn.Identity()
