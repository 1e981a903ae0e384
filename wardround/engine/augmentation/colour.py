"""Changes of colour; labels stay as they are. Samples have three channels: red, green and blue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import ColorJitter, Hed

_LUMA = (0.2989, 0.587, 0.114)
"""What red, green and blue contribute to grey (ITU-R BT.601), as torchvision has it."""
_HED = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78))
"""How much red, green and blue haematoxylin, eosin and DAB take away (Ruifrok and Johnston 2001)."""
_DARKEST = 1e-6
"""Of white: darker values have no logarithm of use."""


@dataclass(frozen=True)
class ColorJitterDrawn(Drawn):
    """Factors, the turn of the hue in circles, and the values of black and white; empty for the sample's own ends."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    black_to_white: tuple[float, ...]


class ColorJitterTransform(IntensityTransform[ColorJitterDrawn]):
    """Change brightness, contrast, saturation and hue, in this order."""

    def __init__(self, parameters: ColorJitter) -> None:
        self._jitter = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> ColorJitterDrawn | None:
        """Each from a uniform distribution; None with probability 1 - p, or where nothing would change."""
        given = self._jitter
        chance = random.random()
        brightness, contrast, saturation = (
            float(random.uniform(1 - most, 1 + most)) for most in (given.brightness, given.contrast, given.saturation)
        )
        hue = float(random.uniform(-given.hue, given.hue))
        if chance >= given.probability or (brightness, contrast, saturation, hue) == (1, 1, 1, 0):
            return None
        return ColorJitterDrawn(brightness, contrast, saturation, hue, _ends(given.black_to_white))

    def changed(self, sample: Tensor, drawn: ColorJitterDrawn) -> Tensor:
        """The sample in other colours."""
        black, extent = _scale(sample, drawn.black_to_white)
        rgb = sample.sub_(black).div_(extent).clamp_(0, 1).mul_(drawn.brightness).clamp_(0, 1)
        rgb = torch.lerp(_grey(rgb).mean(), rgb, drawn.contrast).clamp_(0, 1)
        rgb = torch.lerp(_grey(rgb), rgb, drawn.saturation).clamp_(0, 1)
        return (_turned(rgb, drawn.hue) if drawn.hue else rgb).mul_(extent).add_(black)


@dataclass(frozen=True)
class HedDrawn(Drawn):
    """For each stain a factor and a shift; and the values of black and white, empty for the sample's own ends."""

    factors: tuple[float, ...]
    shifts: tuple[float, ...]
    black_to_white: tuple[float, ...]


class HedTransform(IntensityTransform[HedDrawn]):
    """Change how strongly each stain takes light away."""

    def __init__(self, parameters: Hed) -> None:
        self._hed = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> HedDrawn | None:
        """All from uniform distributions; None with probability 1 - p, or where nothing would change."""
        given = self._hed
        chance = random.random()
        factors, shifts = random.uniform(*given.factor, 3), random.uniform(*given.shift, 3)
        if chance >= given.probability or ((factors == 1).all() and not shifts.any()):
            return None
        return HedDrawn(tuple(factors.tolist()), tuple(shifts.tolist()), _ends(given.black_to_white))

    def changed(self, sample: Tensor, drawn: HedDrawn) -> Tensor:
        """The sample in other stains.

        Logarithms of colours are sums of stains: what becomes of them is one matrix and one shift.
        """
        black, extent = _scale(sample, drawn.black_to_white)
        logarithms = sample.sub_(black).div_(extent).clamp_(_DARKEST, 1).log_()
        stains = np.asarray(_HED)
        mixed = np.linalg.inv(stains) @ np.diag(drawn.factors) @ stains
        shifted = math.log(_DARKEST) * (np.asarray(drawn.shifts) @ stains)
        matrix = torch.tensor(mixed.T, dtype=sample.dtype, device=sample.device)
        added = torch.tensor(shifted, dtype=sample.dtype, device=sample.device).reshape(3, *(1,) * (sample.ndim - 1))
        found = torch.matmul(matrix, logarithms.flatten(1)).reshape(sample.shape)
        return found.add_(added).exp_().clamp_(0, 1).mul_(extent).add_(black)


def _ends(black_to_white: str | tuple[float, float]) -> tuple[float, ...]:
    return () if isinstance(black_to_white, str) else black_to_white


def _scale(sample: Tensor, black_to_white: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The value of black, and how much greater that of white is. A sample of one value is all black."""
    if black_to_white:
        black, white = torch.tensor(black_to_white, dtype=sample.dtype, device=sample.device)
    else:
        black, white = torch.aminmax(sample)
    return black, (white - black).clamp_min(torch.finfo(sample.dtype).tiny)


def _grey(rgb: Tensor) -> Tensor:
    """(1, *spatial)."""
    return (rgb[0] * _LUMA[0]).add_(rgb[1], alpha=_LUMA[1]).add_(rgb[2], alpha=_LUMA[2])[None]


def _turned(rgb: Tensor, turn: float) -> Tensor:
    """Colours between 0 and 1 with their hue turned, by way of hue, saturation and value (Smith 1978)."""
    value, low = rgb.amax(0), rgb.amin(0)
    chroma = value - low
    hue = _hue(rgb, value, chroma).add_(6 * turn)
    # A channel is at its value within a third of the circle, at its least in another, and on the way between them.
    offsets = torch.tensor([5.0, 3.0, 1.0], device=rgb.device, dtype=rgb.dtype).reshape(3, *(1,) * (rgb.ndim - 1))
    phase = (offsets + hue).remainder_(6)
    return value - chroma * torch.minimum(phase, 4 - phase).clamp_(0, 1)


def _hue(rgb: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """In sixths of the circle, from red on; that of grey is 0."""
    red, green, blue = rgb
    safe = chroma.clamp_min(torch.finfo(rgb.dtype).tiny)
    by_green, by_blue = (blue - red) / safe + 2, (red - green) / safe + 4
    return torch.where(value == red, (green - blue) / safe, torch.where(value == green, by_green, by_blue))
