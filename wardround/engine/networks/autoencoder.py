"""Autoencoders, plain and variational, in 2D and 3D."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import activated, pointwise, upwards
from wardround.engine.networks.layers import LEAK, initialise
from wardround.engine.parts.networks import Autoencoder


class AutoencoderNetwork(nn.Module):
    """Two convolutions a level down to a code, and up again without skips."""

    def __init__(self, parameters: Autoencoder, inputs: int, outputs: int) -> None:
        super().__init__()
        widths, dimensions = parameters.widths, parameters.dimensions
        down = [
            layer
            for before, after in pairwise(widths)
            for layer in (activated(parameters, before, after, stride=2), activated(parameters, after, after))
        ]
        up = [
            layer
            for after, before in reversed([*pairwise(widths)])
            for layer in (upwards(dimensions, before, after), activated(parameters, after, after))
        ]
        self.encoder = nn.Sequential(activated(parameters, inputs, widths[0]), *down)
        self.mean = pointwise(dimensions, widths[-1], parameters.features)
        variational = parameters.kl_weight > 0
        self.log_variance = pointwise(dimensions, widths[-1], parameters.features) if variational else None
        first = activated(parameters, parameters.features, widths[-1])
        self.decoder = nn.Sequential(first, *up, pointwise(dimensions, widths[0], outputs))
        self._weight = parameters.kl_weight
        initialise(self, LEAK)

    def encoded(self, images: Tensor) -> Tensor:
        """(samples, features, *coarsest grid): the mean of the code."""
        return cast(Tensor, self.mean(self.encoder(images)))

    def forward(self, images: Tensor) -> Tensor:
        """(samples, outputs, *grid) of (samples, inputs, *grid), from the mean of the code."""
        return cast(Tensor, self.decoder(self.encoded(images)))

    def taught(self, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor | None]:
        """What is said from a code that is drawn, and its weighted divergence; from the mean code where none is."""
        if self.log_variance is None:
            return self.forward(images), None
        features = self.encoder(images)
        mean, log_variance = self.mean(features), self.log_variance(features)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return self.decoder(drawn), self._weight * divergence(mean, log_variance) / images[0, 0].numel()


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """(samples,) float32: the Kullback-Leibler divergence of normal distributions (samples, features, *grid) from the
    standard one, summed over features and places."""
    mean, log_variance = mean.float(), log_variance.float()
    return (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(dim=1) / 2
