"""U-Nets with a residual network as their encoder, in 2D and 3D."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import EncoderDecoder, activated
from wardround.engine.networks.layers import initialise
from wardround.engine.networks.resnet import encoder_stages, stage_widths
from wardround.engine.parts.networks import ResNet, ResNetUNet


class ResNetUNetwork(EncoderDecoder):
    """Five stages down, each half as fine as the one before, and five steps up to the grid of the image."""

    def __init__(self, parameters: ResNetUNet, inputs: int, outputs: int) -> None:
        super().__init__()
        encoder = ResNet(
            depth=parameters.depth, filters=parameters.filters, dimensions=parameters.dimensions, norm=parameters.norm
        )
        self.stages = nn.ModuleList(encoder_stages(encoder, inputs))
        widths = [parameters.filters, *stage_widths(encoder)]
        decoded = [parameters.filters * 4 // 2**step for step in range(len(widths))]
        skipped = [*reversed(widths[:-1]), 0]
        before = pairwise([widths[-1], *decoded])
        self.decoders = nn.ModuleList(
            _step(parameters, below + beside, here) for (below, here), beside in zip(before, skipped, strict=True)
        )
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.attach_heads(parameters.dimensions, [*reversed(decoded)][: len(parameters.scales)], outputs)
        initialise(self, slope=0.0)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """The decoder's features, the finest first; sides of the image are multiples of 32."""
        features, skipped = image, []
        for stage in self.stages:
            features = stage(features)
            skipped.append([features])
        found: list[Tensor] = []
        for decoder, beside in zip(self.decoders, [*reversed(skipped[:-1]), []], strict=True):
            features = decoder(torch.cat([self.up(features), *beside], dim=1))
            found.insert(0, features)
        return found


def build_resnet_unet(parameters: ResNetUNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net (Ronneberger et al. 2015) with the encoder of He et al. 2016."""
    return ResNetUNetwork(parameters, inputs, outputs)


def _step(parameters: ResNetUNet, inputs: int, outputs: int) -> nn.Module:
    first = activated(parameters, inputs, outputs, activation=nn.ReLU)
    return nn.Sequential(first, activated(parameters, outputs, outputs, activation=nn.ReLU))
