"""Noise that depends on the signal. Labels stay as they are; Gaussian noise is in `intensity`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.intensity import ends, standard_normal
from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import PoissonNoise, RicianNoise


@dataclass(frozen=True)
class RicianNoiseDrawn(Drawn):
    """Standard deviation of the noise in both halves of the signal, and the seed that its values grow from."""

    std: float
    seed: int


class RicianNoiseTransform(IntensityTransform[RicianNoiseDrawn]):
    """What Gaussian noise in the real and in the imaginary half of a signal does to its magnitude."""

    def __init__(self, parameters: RicianNoise) -> None:
        self._std, self._probability = parameters.std, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> RicianNoiseDrawn | None:
        """A standard deviation from a uniform distribution; None with probability 1 - p, or where it is 0."""
        chance, std, seed = random.random(), float(random.uniform(*self._std)), int(random.integers(2**63 - 1))
        return RicianNoiseDrawn(std, seed) if chance < self._probability and std > 0 else None

    def changed(self, sample: Tensor, drawn: RicianNoiseDrawn) -> Tensor:
        """The magnitude, counted from the least value of each channel."""
        low = ends(sample)[0]
        real, imaginary = standard_normal(torch.stack([sample, sample]), drawn.seed).mul_(drawn.std)
        return torch.hypot(real.add_(sample).sub_(low), imaginary).add_(low)


@dataclass(frozen=True)
class PoissonNoiseDrawn(Drawn):
    """How many quanta the brightest voxel stands for, and the seed that the counts grow from."""

    quanta: float
    seed: int


class PoissonNoiseTransform(IntensityTransform[PoissonNoiseDrawn]):
    """Count quanta: the fewer there are, the noisier is the image, and most where it is bright."""

    def __init__(self, parameters: PoissonNoise) -> None:
        self._quanta, self._probability = parameters.quanta, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> PoissonNoiseDrawn | None:
        """A number from a uniform distribution of its logarithm; None with probability 1 - p."""
        chance, quanta = random.random(), float(np.exp(random.uniform(*np.log(self._quanta))))
        seed = int(random.integers(2**63 - 1))
        return PoissonNoiseDrawn(quanta, seed) if chance < self._probability else None

    def changed(self, sample: Tensor, drawn: PoissonNoiseDrawn) -> Tensor:
        """The counts, as intensities from the least value of each channel on. One of a single value stays as it is."""
        low, high = ends(sample)
        unit = (high - low) / drawn.quanta
        expected = (sample - low) / unit.clamp_min(torch.finfo(sample.dtype).tiny)
        generator = torch.Generator(sample.device).manual_seed(drawn.seed)
        return torch.poisson(expected, generator=generator).mul_(unit).add_(low)
