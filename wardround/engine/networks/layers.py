"""Layers by number of spatial axes, and the initial weights.

No layer works in place, so that hooks for per-sample gradients (differential privacy) see every activation unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from wardround.engine.networks.layouts import POINTWISE
from wardround.engine.networks.norms import GroupNorm, InstanceNorm2d, InstanceNorm3d

CONVOLUTIONS: Mapping[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: Mapping[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
DROPOUTS: Mapping[int, type[nn.Dropout2d] | type[nn.Dropout3d]] = {2: nn.Dropout2d, 3: nn.Dropout3d}
NORMS: Mapping[tuple[str, int], type[nn.Module]] = {
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
    ("group", 2): nn.GroupNorm,
    ("group", 3): nn.GroupNorm,
    ("layer", 2): nn.LayerNorm,
    ("layer", 3): nn.LayerNorm,
}
"""What a study means by a norm. Networks of Wardround have the quicker kinds of them that `norm` gives."""
_QUICKER: Mapping[tuple[str, int], type[nn.Module]] = {
    ("instance", 2): InstanceNorm2d,
    ("instance", 3): InstanceNorm3d,
}
MAX_POOLS: Mapping[int, type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
MEAN_POOLS: Mapping[int, type[nn.AdaptiveAvgPool2d] | type[nn.AdaptiveAvgPool3d]] = {
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}
Sides = int | tuple[int, ...]
"""One number for all axes, or one for each."""
MOST_GROUPS = 8
LEAK = 0.01


def convolution(
    dimensions: int, inputs: int, outputs: int, *, width: Sides = 3, stride: Sides = 1, groups: int = 1
) -> nn.Module:
    """A convolution without bias (a norm layer follows) that keeps the grid, or divides it by `stride`.

    Widths are odd; both may be one number for all axes, or one for each.
    """
    padding = width // 2 if isinstance(width, int) else tuple(side // 2 for side in width)
    is_pointwise = groups == 1 and _is_one(width) and _is_one(stride)
    kind: Any = (POINTWISE if is_pointwise else CONVOLUTIONS)[dimensions]
    layer: nn.Module = kind(inputs, outputs, width, stride=stride, padding=padding, groups=groups, bias=False)
    return layer


def _is_one(sides: Sides) -> bool:
    return sides == 1 if isinstance(sides, int) else set(sides) == {1}


def group_count(channels: int) -> int:
    """The largest divisor of `channels` that is at most 8."""
    return max(groups for groups in range(1, MOST_GROUPS + 1) if channels % groups == 0)


def norm(kind: str, dimensions: int, channels: int) -> nn.Module:
    """An affine norm layer: `instance` (Ulyanov et al. 2016), `batch` or `group` (Wu & He 2018, at most 8 groups)."""
    if kind == "group":
        return GroupNorm(group_count(channels), channels)
    return _QUICKER.get((kind, dimensions), NORMS[kind, dimensions])(channels, affine=True)


def initialise(network: nn.Module, slope: float) -> None:
    """He's normal weights (He et al. 2015) for rectifiers of that negative slope, zero biases; norms as identities."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(layer.weight, a=slope, nonlinearity="leaky_relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def truncated(network: nn.Module) -> None:
    """Weights of convolutions and linear layers from a normal of 0.02, cut at two units, and zero biases, as
    transformers have them (Dosovitskiy et al. 2021)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
