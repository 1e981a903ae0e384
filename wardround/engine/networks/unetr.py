"""Transformers with a convolutional decoder on one size of tokens: UNETR and TransUNet, in 2D and 3D.

Own code, not MONAI's UNETR, 24 of whose weights never get a gradient and whose positions are for one size of patch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import EncoderDecoder, activated, dropout, pointwise, residual, upwards
from wardround.engine.networks.layers import LEAK, initialise, truncated
from wardround.engine.networks.tokens import Tokens, TransformerBlock, layer_norm, positions
from wardround.engine.networks.unet import Decoder, Style, UNetwork, concatenated
from wardround.engine.parts.networks import UNETR, TransUNet

GRIDS = 4
"""Halvings between the image and its tokens, and quarters of the layers."""


class UNETRNetwork(EncoderDecoder):
    """A transformer whose tokens, after each quarter of its layers, are skip connections of a decoder."""

    def __init__(self, parameters: UNETR, inputs: int, outputs: int) -> None:
        super().__init__()
        dimensions, width = parameters.dimensions, parameters.width
        widths = [parameters.filters * 2**level for level in range(GRIDS)]
        self.finest = residual(parameters, inputs, widths[0])
        self.skips = nn.ModuleList(_lifted(parameters, widths[level], GRIDS - level) for level in range(1, GRIDS))
        self.decoders = nn.ModuleList(
            _decoder(parameters, below, here) for below, here in zip([*widths[1:], width], widths, strict=True)
        )
        self.attach_heads(dimensions, widths[: len(parameters.scales)], outputs)
        initialise(self, LEAK)
        self.tokens = Tokens(dimensions, inputs, width, 2**GRIDS, parameters.dropout)
        self.quarters = nn.ModuleList(_quarter(parameters, number) for number in range(GRIDS))
        self.norm = layer_norm(width)
        truncated(self.tokens)
        truncated(self.quarters)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """The decoder's features, the finest first; sides of the image are multiples of 16."""
        tokens = self.tokens(image)
        grid, seen, after = tokens.shape[1:-1], tokens.flatten(1, -2), []
        for quarter in self.quarters:
            seen = quarter(seen)
            after.append(seen)
        coarsest = _on_grid(self.norm(seen), grid)
        lifted = (lift(_on_grid(each, grid)) for lift, each in zip(self.skips, after, strict=False))
        skipped, features = [self.finest(image), *lifted], coarsest
        found: list[Tensor] = []
        for decoder, beside in zip(reversed(self.decoders), reversed(skipped), strict=True):
            features = decoder(features, beside)
            found.insert(0, features)
        return found


def build_unetr(parameters: UNETR, inputs: int, outputs: int) -> nn.Module:
    """A UNETR (Hatamizadeh et al. 2022) with fixed positions, so that it sees patches of any multiple of 16."""
    return UNETRNetwork(parameters, inputs, outputs)


def _quarter(parameters: UNETR, number: int) -> nn.Module:
    first, last = (parameters.layers * each // GRIDS for each in (number, number + 1))
    blocks = (TransformerBlock(parameters.width, parameters.heads, parameters.dropout) for _ in range(first, last))
    return nn.Sequential(*blocks)


def _lifted(parameters: UNETR, width: int, doublings: int) -> nn.Module:
    """From the grid of tokens to one that is doubled several times."""
    layers: list[nn.Module] = [upwards(parameters.dimensions, parameters.width, width)]
    for _ in range(doublings - 1):
        layers += [upwards(parameters.dimensions, width, width), residual(parameters, width, width)]
    return nn.Sequential(*layers)


def _decoder(parameters: UNETR, below: int, here: int) -> nn.Module:
    return Decoder(upwards(parameters.dimensions, below, here), concatenated, residual(parameters, 2 * here, here))


def _on_grid(tokens: Tensor, grid: Sequence[int]) -> Tensor:
    """(samples, tokens, width) as (samples, width, *grid)."""
    return torch.unflatten(tokens.transpose(1, 2), 2, tuple(grid))


class GridTransformer(nn.Module):
    """Transformer blocks over all voxels of a coarse grid."""

    def __init__(self, parameters: TransUNet, channels: int) -> None:
        super().__init__()
        width = parameters.width
        self.inwards = pointwise(parameters.dimensions, channels, width)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, parameters.heads, parameters.dropout) for _ in range(parameters.layers))
        )
        self.norm = layer_norm(width)
        self.outwards = pointwise(parameters.dimensions, width, channels)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to the same."""
        tokens = self.inwards(features).movedim(1, -1)
        grid = tokens.shape[1:-1]
        told = tokens + positions(grid, tokens.shape[-1], tokens)
        seen: Tensor = self.outwards(_on_grid(self.norm(self.blocks(told.flatten(1, -2))), grid))
        return seen


def build_trans_unet(parameters: TransUNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net with a transformer on its coarsest grid (Chen et al. 2021)."""
    dimensions = parameters.dimensions

    def twice(before: int, width: int, stride: tuple[int, ...]) -> nn.Module:
        first, second = activated(parameters, before, width, stride=stride), activated(parameters, width, width)
        return nn.Sequential(first, second, dropout(dimensions, parameters.dropout))

    def encode(level: int, before: int, width: int) -> nn.Module:
        block, is_last = twice(before, width, parameters.steps[level]), level == parameters.levels - 1
        return nn.Sequential(block, GridTransformer(parameters, width)) if is_last else block

    def decode(level: int, below: int, here: int) -> nn.Module:
        up = upwards(dimensions, below, here, parameters.steps[level + 1])
        return Decoder(up, concatenated, twice(2 * here, here, (1,) * dimensions))

    network = UNetwork(parameters, Style(encode, decode), inputs, outputs)
    for layer in network.modules():
        if isinstance(layer, TransformerBlock):
            truncated(layer)
    return network
