"""Denoising diffusion beside an image (Ho et al. 2020; Saharia et al. 2022), in 2D and 3D.

The network says the clean image; what it says of a noisy one is held against the truth by the study's loss. Time runs
from 0, the image, to 1, noise alone; the share of the image's variance at a time follows the cosine schedule.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import leaky, normed, pointwise, upwards
from wardround.engine.networks.layers import LEAK, Sides, initialise
from wardround.engine.parts.networks import Diffusion

_OFFSET = 0.008
"""Of the schedule, so that a little noise is there at once (Nichol & Dhariwal 2021)."""
_FREQUENCIES = 16
_TILE = {2: 64, 3: 32}
"""Sides of the noise that a prediction begins with; a larger grid repeats it."""


class Timed(nn.Module):
    """A convolution and its norm, then features scaled and shifted by what is told of the time (Perez et al. 2018)."""

    def __init__(self, parameters: Diffusion, inputs: int, outputs: int, told: int, stride: Sides = 1) -> None:
        super().__init__()
        self.path, self.film = normed(parameters, inputs, outputs, stride=stride), nn.Linear(told, 2 * outputs)
        self.activation = leaky()

    def forward(self, features: Tensor, told: Tensor) -> Tensor:
        """(samples, inputs, *grid) and (samples, told) to (samples, outputs, *grid / stride)."""
        path = self.path(features)
        changes = self.film(told).reshape(told.shape[0], -1, *(1,) * (path.ndim - 2))
        scale, shift = changes.chunk(2, dim=1)
        return cast(Tensor, self.activation(path * (1 + scale) + shift))


class DiffusionNetwork(nn.Module):
    """A U-Net of noisy image, images beside it, and time; and the way from noise to an image by it."""

    noise: Tensor

    def __init__(self, parameters: Diffusion, inputs: int, outputs: int) -> None:
        super().__init__()
        widths, dimensions, told = parameters.widths, parameters.dimensions, 4 * _FREQUENCIES
        self.time = nn.Sequential(nn.Linear(2 * _FREQUENCIES, told), leaky(), nn.Linear(told, told))
        self.first = Timed(parameters, inputs + outputs, widths[0], told)
        self.down = nn.ModuleList(Timed(parameters, one, two, told, 2) for one, two in pairwise(widths))
        self.inner = nn.ModuleList(Timed(parameters, width, width, told) for width in widths)
        steps = [*reversed([*pairwise(widths)])]
        self.up = nn.ModuleList(upwards(dimensions, below, here) for here, below in steps)
        self.joined = nn.ModuleList(Timed(parameters, 2 * here, here, told) for here, _ in steps)
        self.head = pointwise(dimensions, widths[0], outputs)
        self.register_buffer("noise", torch.randn(1, outputs, *(_TILE[dimensions],) * dimensions))
        self._steps = parameters.sampling_steps
        initialise(self, LEAK)

    def forward(self, images: Tensor) -> Tensor:
        """(samples, outputs, *grid) of (samples, inputs, *grid): deterministic steps from noise to an image."""
        made = self._begun(images)
        times = [1 - step / self._steps for step in range(self._steps + 1)]
        for time, after in pairwise(times):
            clean = self.denoised(images, made, images.new_full((images.shape[0],), time)).to(made.dtype)
            noise = (made - math.sqrt(kept(time)) * clean) / math.sqrt(1 - kept(time))
            made = math.sqrt(kept(after)) * clean + math.sqrt(1 - kept(after)) * noise
        return made

    def taught(self, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor | None]:
        """What is said of the truth behind a share of noise that is drawn for each sample, from none to all."""
        times = torch.rand(images.shape[0], device=images.device)
        share = kept_by(times).reshape(-1, *(1,) * (wanted.ndim - 1))
        noisy = share.sqrt() * wanted + (1 - share).sqrt() * torch.randn_like(wanted)
        return self.denoised(images, noisy, times), None

    def denoised(self, images: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
        """The clean image that lies behind a noisy one, (samples, outputs, *grid), at times (samples,)."""
        told = self.time(waves(times))
        features = self.inner[0](self.first(torch.cat([images, noisy], dim=1), told), told)
        skipped = [features]
        for down, inner in zip(self.down, self.inner[1:], strict=True):
            features = inner(down(features, told), told)
            skipped.append(features)
        for up, joined, finer in zip(self.up, self.joined, reversed(skipped[:-1]), strict=True):
            features = joined(torch.cat([up(features), finer], dim=1), told)
        return cast(Tensor, self.head(features))

    def _begun(self, images: Tensor) -> Tensor:
        """The noise that each prediction begins with."""
        grid, tile = images.shape[2:], self.noise.shape[2:]
        noise = self.noise.repeat(1, 1, *(-(-side // width) for side, width in zip(grid, tile, strict=True)))
        own = noise[(slice(None), slice(None), *(slice(0, side) for side in grid))]
        return own.expand(images.shape[0], *own.shape[1:]).to(images.dtype)


def kept(time: float) -> float:
    """The share of variance that is the image's at a time: 1 at 0, and nearly 0 at 1."""
    first, now = (math.cos((at + _OFFSET) / (1 + _OFFSET) * math.pi / 2) ** 2 for at in (0.0, time))
    return now / first


def kept_by(times: Tensor) -> Tensor:
    """The same of several times."""
    first = math.cos(_OFFSET / (1 + _OFFSET) * math.pi / 2) ** 2
    return ((times + _OFFSET) / (1 + _OFFSET) * math.pi / 2).cos().square() / first


def waves(times: Tensor) -> Tensor:
    """(samples, 32): sines and cosines of times, of periods from six times as long as time runs to a fiftieth of it."""
    rates = torch.logspace(0, 2.5, _FREQUENCIES, device=times.device, dtype=times.dtype)
    angles = times[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
