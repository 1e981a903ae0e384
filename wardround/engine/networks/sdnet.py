"""Anatomy and its looks, told apart: what is segmented is the anatomy."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wardround.engine.networks.autoencoder import divergence
from wardround.engine.networks.blocks import activated, pointwise, pooled_head
from wardround.engine.networks.layers import LEAK, convolution, initialise
from wardround.engine.networks.unet import build_unet
from wardround.engine.parts.networks import SDNet, UNet

_MODULATED = 3
"""Convolutions of the decoder that the looks modulate, as in the paper."""


class SDNetwork(nn.Module):
    """An image becomes maps of its anatomy, of zeros and ones, and a few numbers for how anatomy looks in it. Classes
    are read from the maps alone; in training the image is made again from both."""

    def __init__(self, parameters: SDNet, inputs: int, outputs: int) -> None:
        super().__init__()
        dimensions, maps, filters = parameters.dimensions, parameters.anatomy, parameters.filters
        own = parameters.model_dump(include={"dimensions", "norm", "filters", "levels"})
        self.anatomy = build_unet(UNet.model_validate(own), inputs, maps)
        self.segmentor = nn.Sequential(
            activated(parameters, maps, filters),
            activated(parameters, filters, filters),
            pointwise(dimensions, filters, outputs),
        )
        widths = [filters * 2**level for level in range(parameters.levels)]
        steps = zip([inputs + maps, *widths], widths, strict=False)
        self.looks = nn.Sequential(*(activated(parameters, before, after, stride=2) for before, after in steps))
        self.drawn = pooled_head(dimensions, widths[-1], 2 * parameters.looks)
        self.decoder = Decoder(parameters, inputs)
        self._weights = (parameters.kl_weight, parameters.image_weight, parameters.looks_weight)
        initialise(self, LEAK)

    def maps(self, images: Tensor) -> Tensor:
        """(samples, anatomy, *grid) of zeros and ones, at most one of them for a voxel; the gradient is that of the
        probabilities that were rounded."""
        soft = self.anatomy(images).softmax(dim=1)
        return cast(Tensor, soft + (soft.round() - soft).detach())

    def forward(self, images: Tensor) -> Tensor:
        """Logits (samples, outputs, *grid) of (samples, inputs, *grid)."""
        return cast(Tensor, self.segmentor(self.maps(images)))

    def beside(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and what making the images again adds to the loss: (samples,) float32."""
        maps = self.maps(images)
        mean, log_variance = self._looks_of(maps, images)
        drawn = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        others = torch.randn_like(mean)
        again, _ = self._looks_of(maps, self.decoder(maps, others))
        of_divergence, of_image, of_looks = self._weights
        added = (
            of_divergence * divergence(mean, log_variance)
            + of_image * _apart(self.decoder(maps, drawn), images)
            + of_looks * _apart(again, others)
        )
        return self.segmentor(maps), added

    def _looks_of(self, maps: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of (samples, looks) numbers."""
        mean, log_variance = self.drawn(self.looks(torch.cat([maps, images], dim=1))).chunk(2, dim=1)
        return mean, log_variance


class Decoder(nn.Module):
    """Images of maps and looks: features of the maps are scaled and shifted by the looks (FiLM, Perez et al. 2018)."""

    def __init__(self, parameters: SDNet, inputs: int) -> None:
        super().__init__()
        dimensions, filters = parameters.dimensions, parameters.filters
        self.first = activated(parameters, parameters.anatomy, filters)
        self.convolutions = nn.ModuleList(convolution(dimensions, filters, filters) for _ in range(_MODULATED))
        self.films = nn.ModuleList(nn.Linear(parameters.looks, 2 * filters) for _ in range(_MODULATED))
        self.last = pointwise(dimensions, filters, inputs)

    def forward(self, maps: Tensor, looks: Tensor) -> Tensor:
        """(samples, inputs, *grid) of (samples, anatomy, *grid) and (samples, looks)."""
        features = self.first(maps)
        for convolve, film in zip(self.convolutions, self.films, strict=True):
            scale, shift = film(looks)[(..., *(None,) * (maps.ndim - 2))].chunk(2, dim=1)
            features = features + functional.leaky_relu(convolve(features) * (1 + scale) + shift, LEAK)
        return cast(Tensor, self.last(features))


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """(samples,) float32 mean absolute differences."""
    return (found.float() - wanted.float()).abs().flatten(1).mean(dim=1)
