"""A plain 2D U-Net of about 10 MB, as the weights that travel."""

from __future__ import annotations

import itertools

import torch
from torch import nn

WIDTHS = (9, 18, 36, 72, 144, 288)


def unet_state() -> dict[str, torch.Tensor]:
    """The state dict of a U-Net with batch normalisation: 166 arrays, about 10 MB, the same on every machine."""
    torch.manual_seed(0)
    levels = list(itertools.pairwise(WIDTHS))
    down = [_double(1, WIDTHS[0]), *(_double(narrow, wide) for narrow, wide in levels)]
    up = [nn.ConvTranspose2d(wide, narrow, 2, 2) for narrow, wide in reversed(levels)]
    merge = [_double(2 * narrow, narrow) for narrow, _ in reversed(levels)]
    parts = nn.ModuleDict(
        {
            "down": nn.ModuleList(down),
            "up": nn.ModuleList(up),
            "merge": nn.ModuleList(merge),
            "head": nn.Conv2d(WIDTHS[0], 2, 1),
        }
    )
    return parts.state_dict()


def _double(inward: int, outward: int) -> nn.Module:
    steps = [nn.Conv2d(inward, outward, 3), nn.BatchNorm2d(outward), nn.Conv2d(outward, outward, 3)]
    return nn.Sequential(*steps, nn.BatchNorm2d(outward))
