"""The adversary of a network that makes images: a PatchGAN (Isola et al. 2017), without norms, in 2D and 3D."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import leaky
from wardround.engine.networks.layers import CONVOLUTIONS, LEAK, initialise
from wardround.engine.parts.losses.adversarial import Adversarial

CRITIC = "critic"
"""Its name among the modules of the network that it is beside: it is saved and shared with that one's weights."""


class Critic(nn.Module):
    """Says of each patch of an image, beside the images that it is of, how true it looks."""

    def __init__(self, parameters: Adversarial, dimensions: int, channels: int) -> None:
        super().__init__()
        kind = CONVOLUTIONS[dimensions]
        widths = [parameters.filters * 2**level for level in range(parameters.levels)]
        layers: list[nn.Module] = []
        for before, after in pairwise([channels, *widths]):
            layers += [kind(before, after, 3, stride=2, padding=1), leaky()]
        self.layers = nn.Sequential(*layers, kind(widths[-1], 1, 3, padding=1))
        initialise(self, LEAK)

    def forward(self, images: Tensor, made: Tensor) -> Tensor:
        """(samples, 1, *coarser grid) of (samples, inputs, *grid) and (samples, outputs, *grid)."""
        said: Tensor = self.layers(torch.cat([images, made], dim=1))
        return said
