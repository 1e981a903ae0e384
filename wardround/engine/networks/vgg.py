"""Stacked convolutions and pooling for whole images, in 2D and 3D."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from wardround.engine.networks.blocks import Pooled, activated, normed, pooled_head
from wardround.engine.networks.layers import initialise
from wardround.engine.parts.networks import SFCN, VGG

CONVOLUTIONS_BY_STAGE = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDENING = (1, 2, 4, 8, 8)
"""Feature maps of each stage, of both networks, in those of the first."""


def build_vgg(parameters: VGG, inputs: int, outputs: int) -> nn.Module:
    """A VGG (Simonyan & Zisserman 2015) with norms: five stages, mean over the grid, linear logits."""
    layers: list[nn.Module] = []
    widths = [parameters.filters * factor for factor in WIDENING]
    stages = zip(pairwise([inputs, *widths]), CONVOLUTIONS_BY_STAGE[parameters.depth], strict=True)
    for (before, width), count in stages:
        channels = pairwise([before, *(width for _ in range(count))])
        layers.extend(activated(parameters, first, second, activation=nn.ReLU) for first, second in channels)
        layers.append(_halved(parameters))
    head = pooled_head(parameters.dimensions, widths[-1], outputs, parameters.dropout)
    network = nn.Sequential(*layers, *head)
    initialise(network, slope=0.0)
    return network


def build_sfcn(parameters: SFCN, inputs: int, outputs: int) -> nn.Module:
    """The network of Peng et al. 2021, with one linear output for each number in place of bins of age."""
    widths = [parameters.filters * factor for factor in WIDENING]
    layers: list[nn.Module] = []
    for before, width in pairwise([inputs, *widths]):
        layers.extend([normed(parameters, before, width), _halved(parameters), nn.ReLU()])
    last = 2 * parameters.filters
    layers.append(activated(parameters, widths[-1], last, width=1, activation=nn.ReLU))
    network = nn.Sequential(*layers, *pooled_head(parameters.dimensions, last, outputs, parameters.dropout))
    initialise(network, slope=0.0)
    return network


def _halved(parameters: VGG | SFCN) -> nn.Module:
    return Pooled((2,) * parameters.dimensions, torch.amax)
