"""In which order features lie in memory, and layers of one voxel that keep that order."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The layout with the channels of a voxel beside each other, by the number of axes with samples and channels."""


def is_eager() -> bool:
    """Whether layers compute now, rather than being written down for an export or mapped over samples by `vmap`."""
    backend, script = cast(Any, torch._C), cast(Any, torch.jit)
    if torch.compiler.is_compiling() or script.is_tracing():
        return False
    # The question that torch's own `autograd.Function` asks; there is no public one.
    return not backend._are_functorch_transforms_active()


def lies_channels_last(features: Tensor) -> bool:
    """Whether the channels of each voxel lie beside each other, and those of a grid's neighbours do not."""
    layout = LAYOUTS.get(features.ndim)
    if layout is None or features.is_contiguous():
        return False
    return features.is_contiguous(memory_format=layout)


def channels_last(features: Tensor) -> Tensor:
    """The features (samples, channels, *grid) with the channels of each voxel beside each other.

    One channel lies in both orders at once, and `contiguous` would leave it; its strides tell the layers that follow.
    """
    if features.stride(1) == 1 and features.is_contiguous(memory_format=LAYOUTS[features.ndim]):
        return features
    return torch.empty_like(features, memory_format=LAYOUTS[features.ndim]).copy_(features)


class Pointwise2d(nn.Conv2d):
    """A linear map of each pixel's features. With one thread torch would put channels first for it, and say so on."""

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid)."""
        return _mapped(features, self.weight, self.bias) if _is_quick(features) else super().forward(features)


class Pointwise3d(nn.Conv3d):
    """A linear map of each voxel's features. With one thread torch would put channels first for it, and say so on."""

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid)."""
        return _mapped(features, self.weight, self.bias) if _is_quick(features) else super().forward(features)


POINTWISE: dict[int, type[Pointwise2d] | type[Pointwise3d]] = {2: Pointwise2d, 3: Pointwise3d}
"""By number of spatial axes; of windows, strides and groups of 1."""


def _is_quick(features: Tensor) -> bool:
    if not is_eager() or features.device.type != "cpu" or features.ndim not in LAYOUTS:
        return False
    if features.shape[2:].numel() == 1:  # which lies in both orders
        return False
    return features.stride(1) == 1 and features.is_contiguous(memory_format=LAYOUTS[features.ndim])


def _mapped(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.linear(features.movedim(1, -1), weight.flatten(1), bias).movedim(-1, 1)
