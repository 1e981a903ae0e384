"""Changes of intensity; labels stay as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.augmentation.transform import Drawn, active
from wardround.engine.parts.augmentation import Gamma, Noise


@dataclass(frozen=True)
class NoiseDrawn(Drawn):
    """Standard deviation of the noise, and the seed that its values grow from."""

    std: float
    seed: int


class NoiseTransform:
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

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[NoiseDrawn | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The batch with noise on the drawn samples."""
        noisy = active(drawn)
        if not noisy:
            return image, label
        image = image.clone()
        for place, parameters in noisy:
            generator = torch.Generator(image.device).manual_seed(parameters.seed)
            values = torch.randn(image.shape[1:], generator=generator, device=image.device, dtype=image.dtype)
            image[place].add_(values, alpha=parameters.std)
        return image, label


@dataclass(frozen=True)
class GammaDrawn(Drawn):
    """The exponent."""

    exponent: float


class GammaTransform:
    """Raise intensities, scaled to 0..1 per channel, to a power; the range of values stays."""

    def __init__(self, parameters: Gamma) -> None:
        self._log_gamma, self._probability = parameters.log_gamma, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> GammaDrawn | None:
        """exp(g) with g from a uniform distribution; None with probability 1 - p, or where it is 1."""
        chance, exponent = random.random(), math.exp(random.uniform(*self._log_gamma))
        return GammaDrawn(exponent) if chance < self._probability and exponent != 1 else None

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[GammaDrawn | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The batch with the drawn samples' intensities bent. A channel of one value stays as it is."""
        bent = active(drawn)
        if not bent:
            return image, label
        image = image.clone()
        for place, parameters in bent:
            image[place] = _power(image[place], parameters.exponent)
        return image, label


def _power(channels: torch.Tensor, exponent: float) -> torch.Tensor:
    axes = tuple(range(1, channels.ndim))
    low, high = channels.amin(axes, keepdim=True), channels.amax(axes, keepdim=True)
    extent = (high - low).clamp_min(torch.finfo(channels.dtype).tiny)
    return ((channels - low) / extent).pow_(exponent).mul_(high - low).add_(low)
