"""Changes of intensity; labels stay as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import Gamma, Noise


@dataclass(frozen=True)
class NoiseDrawn(Drawn):
    """Standard deviation of the noise, and the seed that its values grow from."""

    std: float
    seed: int


class NoiseTransform(IntensityTransform[NoiseDrawn]):
    """Add Gaussian noise.

    Its values come from a generator on the batch's device, so that they need not be moved there: the same on every
    device of a kind, but others on a GPU than on a CPU.
    """

    def __init__(self, parameters: Noise) -> None:
        self._std, self._probability = parameters.std, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> NoiseDrawn | None:
        """A standard deviation from a uniform distribution; None with probability 1 - p, or where it is 0."""
        chance, std, seed = random.random(), float(random.uniform(*self._std)), int(random.integers(2**63 - 1))
        return NoiseDrawn(std, seed) if chance < self._probability and std > 0 else None

    def changed(self, sample: torch.Tensor, drawn: NoiseDrawn) -> torch.Tensor:
        """The sample with noise on it."""
        generator = torch.Generator(sample.device).manual_seed(drawn.seed)
        values = torch.randn(sample.shape, generator=generator, device=sample.device, dtype=sample.dtype)
        return sample.add_(values, alpha=drawn.std)


@dataclass(frozen=True)
class GammaDrawn(Drawn):
    """The exponent."""

    exponent: float


class GammaTransform(IntensityTransform[GammaDrawn]):
    """Raise intensities, scaled to 0..1 per channel, to a power; the range of values stays."""

    def __init__(self, parameters: Gamma) -> None:
        self._log_gamma, self._probability = parameters.log_gamma, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> GammaDrawn | None:
        """exp(g) with g from a uniform distribution; None with probability 1 - p, or where it is 1."""
        chance, exponent = random.random(), math.exp(random.uniform(*self._log_gamma))
        return GammaDrawn(exponent) if chance < self._probability and exponent != 1 else None

    def changed(self, sample: torch.Tensor, drawn: GammaDrawn) -> torch.Tensor:
        """The sample with intensities bent. A channel of one value stays as it is."""
        return _power(sample, drawn.exponent)


def _power(channels: torch.Tensor, exponent: float) -> torch.Tensor:
    axes = tuple(range(1, channels.ndim))
    low, high = channels.amin(axes, keepdim=True), channels.amax(axes, keepdim=True)
    extent = (high - low).clamp_min(torch.finfo(channels.dtype).tiny)
    return ((channels - low) / extent).pow_(exponent).mul_(high - low).add_(low)
