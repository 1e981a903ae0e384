"""Mixed-scale dense networks, in 2D and 3D."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import pointwise
from wardround.engine.networks.layers import CONVOLUTIONS, initialise, norm
from wardround.engine.parts.networks import MSDNet


class MSDNetwork(nn.Module):
    """Layers of dilated convolutions on one grid; each sees the image and all layers before it."""

    def __init__(self, parameters: MSDNet, inputs: int, outputs: int) -> None:
        super().__init__()
        filters = parameters.filters
        self.layers = nn.ModuleList(
            _layer(parameters, inputs + number * filters, 1 + number % parameters.dilations)
            for number in range(parameters.layers)
        )
        self.head = pointwise(parameters.dimensions, inputs + parameters.layers * filters, outputs)
        initialise(self, slope=0.0)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (samples, outputs, *grid) of (samples, inputs, *grid), of any grid."""
        seen = image
        for layer in self.layers:
            seen = torch.cat([seen, layer(seen)], dim=1)
        logits: Tensor = self.head(seen)
        return logits


def build_msdnet(parameters: MSDNet, inputs: int, outputs: int) -> nn.Module:
    """A mixed-scale dense network (Pelt & Sethian 2018), with the norm that the study names after each convolution."""
    return MSDNetwork(parameters, inputs, outputs)


def _layer(parameters: MSDNet, inputs: int, dilation: int) -> nn.Module:
    convolve = CONVOLUTIONS[parameters.dimensions]
    layer = convolve(inputs, parameters.filters, 3, padding=dilation, dilation=dilation, bias=False)
    return nn.Sequential(layer, norm(parameters.norm, parameters.dimensions, parameters.filters), nn.ReLU())
