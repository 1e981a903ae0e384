"""Changes of intensity; labels stay as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import Brightness, Contrast, Gamma, Noise


@dataclass(frozen=True)
class NoiseDrawn(Drawn):
    """Standard deviation of the noise, and the seed that its values grow from.

    With `relative` the deviation is in units of each channel's own.
    """

    std: float
    seed: int
    relative: bool = False


class NoiseTransform(IntensityTransform[NoiseDrawn]):
    """Add Gaussian noise.

    Its values come from a generator on the batch's device, so that they need not be moved there: the same on every
    device of a kind, but others on a GPU than on a CPU.
    """

    def __init__(self, parameters: Noise) -> None:
        self._std, self._probability = parameters.std, parameters.probability
        self._relative = parameters.unit == "deviation"

    def draw(self, random: np.random.Generator, dimensions: int) -> NoiseDrawn | None:
        """A standard deviation from a uniform distribution; None with probability 1 - p, or where it is 0."""
        chance, std, seed = random.random(), float(random.uniform(*self._std)), int(random.integers(2**63 - 1))
        return NoiseDrawn(std, seed, self._relative) if chance < self._probability and std > 0 else None

    def changed(self, sample: Tensor, drawn: NoiseDrawn) -> Tensor:
        """The sample with noise on it."""
        values = standard_normal(sample, drawn.seed)
        if drawn.relative:
            values *= moments(sample)[1]
        return sample.add_(values, alpha=drawn.std)


@dataclass(frozen=True)
class GammaDrawn(Drawn):
    """The exponent, whether dark and bright change places meanwhile, and whether mean and deviation are kept."""

    exponent: float
    inverted: bool = False
    keeps_moments: bool = False


class GammaTransform(IntensityTransform[GammaDrawn]):
    """Raise intensities, scaled to 0..1 per channel, to a power; the range of values stays, or mean and deviation."""

    def __init__(self, parameters: Gamma) -> None:
        self._gamma = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> GammaDrawn | None:
        """exp(g) with g from a uniform distribution; None with probability 1 - p, or where it is 1."""
        given = self._gamma
        chance, exponent = random.random(), math.exp(random.uniform(*given.log_gamma))
        inverted = bool(random.random() < given.invert)
        if chance >= given.probability or exponent == 1:
            return None
        return GammaDrawn(exponent, inverted, given.retain == "moments")

    def changed(self, sample: Tensor, drawn: GammaDrawn) -> Tensor:
        """The sample with intensities bent. A channel of one value stays as it is."""
        bent = -_power(-sample, drawn.exponent) if drawn.inverted else _power(sample, drawn.exponent)
        if not drawn.keeps_moments:
            return bent
        (mean, deviation), (other_mean, other_deviation) = moments(sample), moments(bent)
        ratio = deviation / other_deviation.clamp_min(torch.finfo(sample.dtype).tiny)
        # A flat channel has a deviation of 0, or nearly so, before and after: nothing is to be stretched there.
        return bent.sub_(other_mean).mul_(ratio.clamp_max_(_MOST_STRETCHED)).add_(mean)


_MOST_STRETCHED = 1e3
"""More than any power does to the deviation of a channel that has one."""


def _power(channels: Tensor, exponent: float) -> Tensor:
    low, high = ends(channels)
    extent = (high - low).clamp_min(torch.finfo(channels.dtype).tiny)
    # A power by way of logarithms, which takes half of the time; that of 0 is 0 here too.
    return (channels - low).div_(extent).log2_().mul_(exponent).exp2_().mul_(high - low).add_(low)


@dataclass(frozen=True)
class BrightnessDrawn(Drawn):
    """What is multiplied by, and what is added then."""

    factor: float
    shift: float


class BrightnessTransform(IntensityTransform[BrightnessDrawn]):
    """Multiply all intensities of a sample, and add to them."""

    def __init__(self, parameters: Brightness) -> None:
        self._brightness = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> BrightnessDrawn | None:
        """Both from uniform distributions; None with probability 1 - p, or where nothing would change."""
        given = self._brightness
        chance = random.random()
        drawn = BrightnessDrawn(float(random.uniform(*given.factor)), float(random.uniform(*given.shift)))
        return None if chance >= given.probability or drawn == BrightnessDrawn(1.0, 0.0) else drawn

    def changed(self, sample: Tensor, drawn: BrightnessDrawn) -> Tensor:
        """The sample, brighter or darker."""
        return sample.mul_(drawn.factor).add_(drawn.shift)


@dataclass(frozen=True)
class ContrastDrawn(Drawn):
    """By how much deviations from the mean grow, and whether the range of values is kept."""

    factor: float
    limited: bool


class ContrastTransform(IntensityTransform[ContrastDrawn]):
    """Stretch intensities about the mean of each channel."""

    def __init__(self, parameters: Contrast) -> None:
        self._contrast = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> ContrastDrawn | None:
        """A factor from a uniform distribution; None with probability 1 - p, or where it is 1."""
        given = self._contrast
        chance, factor = random.random(), float(random.uniform(*given.factor))
        return None if chance >= given.probability or factor == 1 else ContrastDrawn(factor, given.limited)

    def changed(self, sample: Tensor, drawn: ContrastDrawn) -> Tensor:
        """The sample with more or less contrast."""
        mean = sample.mean(_space(sample), keepdim=True)
        low, high = ends(sample)
        stretched = sample.mul_(drawn.factor).add_(mean * (1 - drawn.factor))
        if not drawn.limited:
            return stretched
        return torch.minimum(torch.maximum(stretched, low, out=stretched), high, out=stretched)


def standard_normal(like: Tensor, seed: int) -> Tensor:
    """Values of a normal distribution, in the form of a tensor and on its device, that grow from a seed."""
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)


def ends(channels: Tensor) -> tuple[Tensor, Tensor]:
    """The least and the greatest value of each channel, shaped to be broadcast over (channels, *spatial)."""
    return channels.amin(_space(channels), keepdim=True), channels.amax(_space(channels), keepdim=True)


def moments(channels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, shaped to be broadcast over (channels, *spatial)."""
    mean = channels.mean(_space(channels), keepdim=True)
    return mean, (channels - mean).square_().mean(_space(channels), keepdim=True).sqrt_()


def _space(channels: Tensor) -> tuple[int, ...]:
    return tuple(range(1, channels.ndim))
