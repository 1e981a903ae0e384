"""SegResNet in 2D and 3D."""

from __future__ import annotations

import torch
from torch import nn

from wardround.engine.networks.blocks import Linear, Residual, dropout
from wardround.engine.networks.layers import convolution, norm
from wardround.engine.networks.unet import Decoder, Style, UNetwork
from wardround.engine.parts.networks import SegResNet


def build_segresnet(parameters: SegResNet, inputs: int, outputs: int) -> nn.Module:
    """A SegResNet (Myronenko 2018) without its autoencoder: residual blocks down, one a level up, skips added."""
    dimensions = parameters.dimensions

    def encode(level: int, before: int, width: int) -> nn.Module:
        first = convolution(dimensions, before, width, stride=parameters.steps[level])
        kept = [] if level else [dropout(dimensions, parameters.dropout)]
        blocks = (_block(parameters, width) for _ in range(parameters.blocks_by_level[level]))
        return nn.Sequential(first, *kept, *blocks)

    def decode(level: int, below: int, here: int) -> nn.Module:
        up = nn.Sequential(convolution(dimensions, below, here, width=1), Linear(parameters.steps[level + 1]))
        # What goes to the finest head has been through no norm since the last sum.
        last = [] if level else [_before(parameters, here)]
        return Decoder(up, torch.add, nn.Sequential(_block(parameters, here), *last))

    return UNetwork(parameters, Style(encode, decode), inputs, outputs)


def _block(parameters: SegResNet, channels: int) -> nn.Module:
    layers = (layer for _ in range(2) for layer in (_before(parameters, channels), _convolution(parameters, channels)))
    return Residual(nn.Sequential(*layers), nn.Identity(), nn.Identity())


def _convolution(parameters: SegResNet, channels: int) -> nn.Module:
    return convolution(parameters.dimensions, channels, channels)


def _before(parameters: SegResNet, channels: int) -> nn.Module:
    return nn.Sequential(norm(parameters.norm, parameters.dimensions, channels), nn.ReLU())
