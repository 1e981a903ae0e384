"""Less detail: blur, and lower resolution. Labels stay as they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from wardround.engine.augmentation.along import along
from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import Blur, LowResolution

_CUT = 4.0
"""Standard deviations at which a kernel ends, as scipy has it."""


@dataclass(frozen=True)
class BlurDrawn(Drawn):
    """Standard deviation of the Gaussian in voxels, the same along each axis."""

    sigma: float


class BlurTransform(IntensityTransform[BlurDrawn]):
    """Blur with a Gaussian."""

    def __init__(self, parameters: Blur) -> None:
        self._sigma, self._probability = parameters.sigma, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> BlurDrawn | None:
        """A standard deviation from a uniform distribution; None with probability 1 - p, or where it is 0."""
        chance, sigma = random.random(), float(random.uniform(*self._sigma))
        return BlurDrawn(sigma) if chance < self._probability and sigma > 0 else None

    def changed(self, sample: Tensor, drawn: BlurDrawn) -> Tensor:
        """The sample, blurred along one axis after the other."""
        for axis, side in enumerate(sample.shape[1:]):
            sample = along(sample, axis, gaussian(side, drawn.sigma))
        return sample


@lru_cache(maxsize=8)  # of a batch's samples and axes, not of a run: each sample has its own deviation
def gaussian(side: int, sigma: float) -> np.ndarray:
    """float32 (side, side): the weights by which voxels of an axis are mixed, which is mirrored at its ends."""
    reach = math.floor(_CUT * sigma + 0.5)
    distance = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (distance / sigma) ** 2)
    kernel /= kernel.sum()
    weights = np.zeros((side, side))
    rows = np.arange(side)
    for offset, weight in zip(distance, kernel, strict=True):
        beyond = (rows + offset) % (2 * side)
        weights[rows, np.where(beyond < side, beyond, 2 * side - 1 - beyond)] += weight
    return weights.astype(np.float32)


@dataclass(frozen=True)
class LowResolutionDrawn(Drawn):
    """The share of voxels that are left, along which axes, and what they are enlarged by."""

    scale: float
    axes: tuple[int, ...]
    enlarged: str


class LowResolutionTransform(IntensityTransform[LowResolutionDrawn]):
    """Leave some voxels and make as many as before out of them."""

    def __init__(self, parameters: LowResolution) -> None:
        self._low = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> LowResolutionDrawn | None:
        """A share from a uniform distribution; None with probability 1 - p, or where it is 1."""
        given = self._low
        chance, scale = random.random(), float(random.uniform(*given.scale))
        one = int(random.integers(dimensions))
        axes = tuple(range(dimensions)) if given.along == "all" else (one,)
        return LowResolutionDrawn(scale, axes, given.enlarged) if chance < given.probability and scale < 1 else None

    def changed(self, sample: Tensor, drawn: LowResolutionDrawn) -> Tensor:
        """The sample at the lower resolution. An axis of which all voxels would be left stays as it is."""
        sides = sample.shape[1:]
        left = {axis: max(1, round(sides[axis] * drawn.scale)) for axis in drawn.axes}
        fewer = [axis for axis in drawn.axes if left[axis] < sides[axis]]
        for axis in fewer:
            voxels = torch.from_numpy(nearest(sides[axis], left[axis])).to(sample.device)
            sample = sample.index_select(axis + 1, voxels)
        for axis in reversed(fewer):  # the last axis takes longest, and has the fewest lines now
            sample = along(sample, axis, enlarging(sides[axis], left[axis], drawn.enlarged))
        return sample


@lru_cache(maxsize=256)
def nearest(side: int, left: int) -> np.ndarray:
    """int64 (left,): the voxels of an axis of `side` that stay where fewer are left, as torch chooses them."""
    voxels = torch.arange(side, dtype=torch.float32)[None, None]  # float64 would round their places otherwise
    return functional.interpolate(voxels, size=left, mode="nearest-exact")[0, 0].long().numpy()


@lru_cache(maxsize=256)
def enlarging(side: int, left: int, enlarged: str) -> np.ndarray:
    """float32 (side, left): the weights by which `left` voxels become an axis of `side`.

    They are what torch makes of each voxel by itself, so that its interpolation is the definition of ours.
    """
    each = torch.eye(left)[None]
    if enlarged == "linear":
        back = functional.interpolate(each, size=side, mode="linear")
    else:  # torch has cubic interpolation for planes alone: here one of height 1
        back = functional.interpolate(each[:, :, None], size=(1, side), mode="bicubic")[:, :, 0]
    return np.ascontiguousarray(back[0].T.numpy())
