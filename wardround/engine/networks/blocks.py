"""Blocks that several networks are made of.

No block works in place, and none asks for the values of a tensor: so per-sample gradients and exports see all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.layers import (
    DROPOUTS,
    LEAK,
    MEAN_POOLS,
    TRANSPOSED,
    Sides,
    convolution,
    norm,
)
from wardround.engine.networks.layouts import POINTWISE
from wardround.engine.parts.networks import NetworkParameters

Activation = Callable[[], nn.Module]


def leaky() -> nn.Module:
    """A leaky rectifier that keeps a hundredth of what is negative."""
    return nn.LeakyReLU(LEAK)


def normed(
    parameters: NetworkParameters, inputs: int, outputs: int, *, width: Sides = 3, stride: Sides = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution and the norm that the study names."""
    dimensions = parameters.dimensions
    layer = convolution(dimensions, inputs, outputs, width=width, stride=stride, groups=groups)
    return nn.Sequential(layer, norm(parameters.norm, dimensions, outputs))


def activated(
    parameters: NetworkParameters,
    inputs: int,
    outputs: int,
    *,
    width: Sides = 3,
    stride: Sides = 1,
    activation: Activation = leaky,
) -> nn.Sequential:
    """A convolution, the norm that the study names, and an activation."""
    return nn.Sequential(normed(parameters, inputs, outputs, width=width, stride=stride), activation())


def pointwise(dimensions: int, inputs: int, outputs: int) -> nn.Module:
    """A linear map of each voxel's features, with bias."""
    return POINTWISE[dimensions](inputs, outputs, 1)


def upwards(dimensions: int, inputs: int, outputs: int, stride: Sides = 2) -> nn.Module:
    """The finer grid by a transposed convolution: each voxel becomes a block of `stride` voxels."""
    kind = TRANSPOSED[dimensions]
    return kind(inputs, outputs, stride, stride=stride)  # type: ignore[arg-type]


def dropout(dimensions: int, share: float) -> nn.Module:
    """Leaves out that share of the feature maps in training; nothing where it is zero."""
    return DROPOUTS[dimensions](share) if share else nn.Identity()


def pooled_head(dimensions: int, channels: int, outputs: int, share: float = 0.0) -> nn.Sequential:
    """Mean over the grid, dropout, and linear logits (samples, outputs)."""
    last = [nn.Dropout(share)] if share else []
    return nn.Sequential(MEAN_POOLS[dimensions](1), nn.Flatten(), *last, nn.Linear(channels, outputs))


class Residual(nn.Module):
    """A path beside a shortcut, and an activation of their sum."""

    def __init__(self, path: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.path, self.shortcut, self.activation = path, shortcut, activation

    def forward(self, features: Tensor) -> Tensor:
        """The activated sum; path and shortcut give the same shape."""
        return cast(Tensor, self.activation(self.path(features) + self.shortcut(features)))


def residual(parameters: NetworkParameters, inputs: int, outputs: int) -> Residual:
    """Two convolutions beside a shortcut, which is projected where the channels change."""
    path = nn.Sequential(activated(parameters, inputs, outputs), normed(parameters, outputs, outputs))
    shortcut = nn.Identity() if inputs == outputs else normed(parameters, inputs, outputs, width=1)
    return Residual(path, shortcut, leaky())


class Branches(nn.Module):
    """Several layers beside each other whose features are joined (Szegedy et al. 2015)."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, sum of outputs, *grid)."""
        return torch.cat([branch(features) for branch in self.branches], dim=1)


class Linear(nn.Module):
    """Linear interpolation to a grid that is finer by a whole factor along each axis, corners not aligned.

    Made of slices and sums, whose gradient is the same every time on every device; torch's own is not on CUDA.
    """

    def __init__(self, factors: Sequence[int]) -> None:
        super().__init__()
        self.factors = tuple(factors)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to (samples, channels, *finer grid)."""
        for axis, factor in enumerate(self.factors, start=2):
            if factor > 1:
                features = _interpolated(features, axis, factor)
        return features


class Smoothed(nn.Module):
    """The mean of each voxel and its neighbours, 3 along each axis; those at the edge are their own neighbours.

    Like `Linear` the same every time on every device.
    """

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        for axis in range(2, features.ndim):
            before, after = _neighbours(features, axis)
            features = (before + features + after) / 3
        return features


class Pooled(nn.Module):
    """The greatest or the mean of each block of voxels; what is left over at the end of an axis is left out.

    Like `Linear` the same every time on every device.
    """

    def __init__(self, factors: Sequence[int], reduce: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.factors, self.reduce = tuple(factors), reduce

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to (samples, channels, *grid / factors)."""
        for axis, factor in enumerate(self.factors, start=2):
            whole = features.shape[axis] // factor
            blocks = torch.unflatten(features.narrow(axis, 0, whole * factor), axis, (whole, factor))
            features = self.reduce(blocks, axis + 1)
        return features


def _neighbours(features: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """What stands before and after each voxel along an axis; at an end, the voxel itself."""
    size = features.shape[axis]
    first, last = features.narrow(axis, 0, 1), features.narrow(axis, size - 1, 1)
    before = torch.cat([first, features.narrow(axis, 0, size - 1)], dim=axis)
    return before, torch.cat([features.narrow(axis, 1, size - 1), last], dim=axis)


def _interpolated(features: Tensor, axis: int, factor: int) -> Tensor:
    before, after = _neighbours(features, axis)
    offsets = ((place + 0.5) / factor - 0.5 for place in range(factor))
    parts = [(1 - abs(offset)) * features + abs(offset) * (before if offset < 0 else after) for offset in offsets]
    return torch.stack(parts, dim=axis + 1).flatten(axis, axis + 1)


class DropPath(nn.Module):
    """Leaves out a path of some samples in training, and strengthens the others for it (Huang et al. 2016)."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, features: Tensor) -> Tensor:
        """The same shape; each sample is kept or left out by itself."""
        if not self.training or not self.share:
            return features
        kept = features.new_full((len(features), *[1] * (features.ndim - 1)), 1 - self.share)
        return features * (torch.bernoulli(kept) / (1 - self.share))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each voxel (Ba et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to the same."""
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)


class EncoderDecoder(nn.Module, ABC):
    """Base of networks whose decoder has features on several grids, of which the finest is that of the image.

    Logits come from the finest; under deep supervision, in training, from the next coarser ones too.
    """

    head: nn.Module
    coarse_heads: nn.ModuleList

    def attach_heads(self, dimensions: int, widths: Sequence[int], outputs: int) -> None:
        """A linear head for each grid on which the network says something: `widths` channels, the finest first."""
        finest, *coarser = widths
        self.head = pointwise(dimensions, finest, outputs)
        self.coarse_heads = nn.ModuleList(pointwise(dimensions, width, outputs) for width in coarser)

    @abstractmethod
    def features(self, image: Tensor) -> Sequence[Tensor]:
        """The decoder's features (samples, channels, *grid), the finest first."""

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (samples, outputs, *grid) of (samples, inputs, *grid); or of several grids, the finest first."""
        finest, *coarser = self.features(image)
        logits: Tensor = self.head(finest)
        if not (self.training and len(self.coarse_heads)):
            return logits
        # Of all grids, the coarsest may have no head.
        return (logits, *(head(each) for head, each in zip(self.coarse_heads, coarser, strict=False)))
