"""Instance and group norm as torch has them, computed in fewer passes on a CPU.

Both are torch's own modules, with its names and weights. What differs is the kernel: torch takes instance norm for
batch norm of a reshaped copy, and its gradient of group norm takes ten times as long where channels lie last. Results
agree with torch's to fp32 rounding, but for one: of a single sample whose gradient lies channels last, torch 2.13 gets
the gradient of instance norm wrong. Instance norm is torch's own while a network predicts; both are on other devices,
in exported graphs and for gradients by sample.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from wardround.engine.networks.layouts import LAYOUTS, channels_last, is_eager, lies_channels_last

_FULL = (torch.float32, torch.float64)


def _is_quick(features: Tensor) -> bool:
    """Whether the kernels here are for these features: more than one voxel, on a CPU, in eager mode."""
    if not is_eager() or features.device.type != "cpu":
        return False
    return features.ndim in LAYOUTS and features.shape[2:].numel() > 1


def _normalised(features: Tensor, groups: int, layer: Any) -> Tensor:
    """Group norm by one of two kernels; torch's takes other number formats too, slowly where channels lie last."""
    is_plain = layer.weight is not None and features.dtype == layer.weight.dtype and features.dtype in _FULL
    if is_plain and lies_channels_last(features):
        kernel: Any = _ChannelsLastNorm
        found: Tensor = kernel.apply(features, layer.weight, layer.bias, groups, layer.eps)
        return found
    return functional.group_norm(features, groups, layer.weight, layer.bias, layer.eps)


class InstanceNorm2d(nn.InstanceNorm2d):
    """Instance norm (Ulyanov et al. 2016) of two axes: in training a group norm with a group for each channel."""

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to the same."""
        if not self.training or self.track_running_stats or not _is_quick(features):
            return super().forward(features)
        return _normalised(features, features.shape[1], self)


class InstanceNorm3d(nn.InstanceNorm3d):
    """Instance norm (Ulyanov et al. 2016) of three axes: in training a group norm with a group for each channel."""

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to the same."""
        if not self.training or self.track_running_stats or not _is_quick(features):
            return super().forward(features)
        return _normalised(features, features.shape[1], self)


class GroupNorm(nn.GroupNorm):
    """Group norm (Wu & He 2018)."""

    def forward(self, features: Tensor) -> Tensor:
        """(samples, channels, *grid) to the same."""
        if not _is_quick(features):
            return super().forward(features)
        return _normalised(features, self.num_groups, self)


class _ChannelsLastNorm(torch.autograd.Function):
    """Group norm of features whose channels lie last, y = w c r + b with c = x - mean and r = 1 / deviation of a group.

    The mean is taken away before squares are summed, as features far from 0 need it in fp32. Backwards, with g the
    gradient of y, dx = r (w g - mean(w g) - c r^2 mean(w g c)): g times one number, plus c times another, plus a
    third, each of them one for each sample and channel.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float) -> Tensor:
        """(samples, channels, *grid) to the same."""
        seen = _rows(features)
        middle = _grouped_mean(seen.mean(dim=1), groups)
        centred = seen - middle.unsqueeze(1)
        factor = (_grouped_mean(_products(centred, centred) / seen.shape[1], groups) + eps).rsqrt()
        ctx.save_for_backward(centred, weight, factor)
        ctx.groups = groups
        outputs = _combined(centred, factor * weight, bias.expand_as(factor), features.shape[-1])
        return _on_grid(outputs, features.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        """The gradients of features, weight and bias."""
        centred, weight, factor = ctx.saved_tensors
        given = _rows(channels_last(gradient))
        voxels, side = given.shape[1], gradient.shape[-1]
        sums, products = given.sum(dim=1), _products(given, centred)
        of_centred = -factor.pow(3) * _grouped_mean(weight * products, ctx.groups) / voxels
        rest = -factor * _grouped_mean(weight * sums, ctx.groups) / voxels
        found = _combined(given, factor * weight, rest, side)
        _wide(found, side).addcmul_(_wide(centred, side), _repeated(of_centred, side))
        return _on_grid(found, gradient.shape), (factor * products).sum(dim=0), sums.sum(dim=0), None, None


def _rows(features: Tensor) -> Tensor:
    """(samples, channels, *grid) with the channels last as (samples, voxels, channels), without a copy."""
    return features.movedim(1, -1).flatten(1, -2)


def _on_grid(rows: Tensor, shape: torch.Size) -> Tensor:
    """(samples, voxels, channels) as (samples, channels, *grid) with the channels last, without a copy."""
    return rows.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


def _grouped_mean(values: Tensor, groups: int) -> Tensor:
    """(samples, channels) values, each replaced by the mean over the channels of its group."""
    channels = values.shape[1]
    if groups == channels:
        return values
    means = values.reshape(len(values), groups, channels // groups).mean(dim=2)
    return means.repeat_interleave(channels // groups, dim=1)


def _products(first: Tensor, second: Tensor) -> Tensor:
    """(samples, channels) sums over the voxels of the products of two tensors (samples, voxels, channels).

    They are the diagonal of a product of matrices, which is quicker than to write all products and read them again.
    """
    return torch.bmm(first.transpose(1, 2), second).diagonal(dim1=1, dim2=2)


def _combined(rows: Tensor, factor: Tensor, rest: Tensor, side: int) -> Tensor:
    """(samples, voxels, channels) times (samples, channels) numbers, plus others; `side` voxels make a row."""
    found = torch.addcmul(_repeated(rest, side), _wide(rows, side), _repeated(factor, side))
    return found.reshape(rows.shape)


def _wide(rows: Tensor, side: int) -> Tensor:
    """(samples, voxels, channels) as (samples, rows, side x channels): a kernel takes a row in one go."""
    return rows.reshape(len(rows), -1, side * rows.shape[2])


def _repeated(numbers: Tensor, side: int) -> Tensor:
    """(samples, channels) numbers for each of a row's voxels, (samples, 1, side x channels)."""
    return numbers.repeat(1, side).unsqueeze(1)
