"""ConvNeXt for whole images, in 2D and 3D."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import ChannelNorm, DropPath, pooled_head
from wardround.engine.networks.layers import CONVOLUTIONS, truncated
from wardround.engine.parts.networks import ConvNeXt

DEPTHS = {"tiny": (3, 3, 9, 3), "small": (3, 3, 27, 3), "base": (3, 3, 27, 3)}
WIDENING, FIRST_SCALE = 4, 1e-6


class Block(nn.Module):
    """A wide depthwise convolution and two linear layers, scaled per channel and added to what came in."""

    def __init__(self, dimensions: int, channels: int, left_out: float) -> None:
        super().__init__()
        inner = WIDENING * channels
        self.path = nn.Sequential(
            CONVOLUTIONS[dimensions](channels, channels, 7, padding=3, groups=channels),
            ChannelNorm(channels),
            CONVOLUTIONS[dimensions](channels, inner, 1),
            nn.GELU(),
            CONVOLUTIONS[dimensions](inner, channels, 1),
        )
        self.scale = nn.Parameter(torch.full((channels, *[1] * dimensions), FIRST_SCALE))
        self.drop_path = DropPath(left_out)

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        return features + cast(Tensor, self.drop_path(self.path(features) * self.scale))


def build_convnext(parameters: ConvNeXt, inputs: int, outputs: int) -> nn.Module:
    """A ConvNeXt (Liu et al. 2022): a stem by 4, four stages, mean over the grid, layer norm, linear logits."""
    dimensions, depths = parameters.dimensions, DEPTHS[parameters.variant]
    widths = [parameters.filters * 2**stage for stage in range(len(depths))]
    convolve, total = CONVOLUTIONS[dimensions], sum(depths)
    layers: list[nn.Module] = [convolve(inputs, widths[0], 4, stride=4), ChannelNorm(widths[0])]
    shares = iter(parameters.drop_path * place / max(1, total - 1) for place in range(total))
    for stage, (before, width) in enumerate(pairwise([widths[0], *widths])):
        if stage:
            layers.extend([ChannelNorm(before), convolve(before, width, 2, stride=2)])
        layers.extend(Block(dimensions, width, next(shares)) for _ in range(depths[stage]))
    pool, flat, linear = pooled_head(dimensions, widths[-1], outputs)
    network = nn.Sequential(*layers, pool, flat, nn.LayerNorm(widths[-1], eps=1e-6), linear)
    truncated(network)
    return network
