"""Swin UNETR in 2D and 3D: transformer blocks that look within windows, and a convolutional decoder.

Own code, not MONAI's: that one reads the wrong entries of its table of places where a grid is smaller than a window.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wardround.engine.networks.blocks import EncoderDecoder, residual, upwards
from wardround.engine.networks.layers import CONVOLUTIONS, LEAK, initialise, truncated
from wardround.engine.networks.tokens import Attention, layer_norm, perceptron
from wardround.engine.networks.unet import Decoder, concatenated
from wardround.engine.parts.networks import SwinUNETR

GRIDS = 4
"""Grids on which there are transformer blocks; tokens are merged after each."""


class WindowedBlock(nn.Module):
    """Attention within windows, in every second block shifted by half of one; then two linear layers"""

    def __init__(self, parameters: SwinUNETR, width: int, heads: int, *, shifted: bool) -> None:
        super().__init__()
        self.window, self.shifted = parameters.window, shifted
        self.first, self.attention = layer_norm(width), Attention(width, heads, parameters.dropout)
        self.second, self.perceptron = layer_norm(width), perceptron(width, parameters.dropout)
        self.places = nn.Parameter(torch.zeros((2 * self.window - 1) ** parameters.dimensions, heads))

    def forward(self, tokens: Tensor) -> Tensor:
        """(samples, *grid, width) to the same."""
        tokens = tokens + self._look(self.first(tokens))
        return tokens + cast(Tensor, self.perceptron(self.second(tokens)))

    def _look(self, tokens: Tensor) -> Tensor:
        grid = tokens.shape[1:-1]
        windows = [min(side, self.window) for side in grid]
        # A grid of one window has nothing to shift towards.
        shifts = [side // 2 if self.shifted and side < whole else 0 for side, whole in zip(windows, grid, strict=True)]
        padded = _padded(tokens, windows)
        axes, whole = tuple(range(1, len(grid) + 1)), padded.shape[1:-1]
        turned = torch.roll(padded, [-shift for shift in shifts], axes) if any(shifts) else padded
        parts = _parted(turned, windows)
        bias = self._bias(windows)
        if any(shifts):
            bias = bias + _apart(whole, windows, shifts, tokens.device, bias.dtype)
        joined = _joined(self.attention(parts, bias), windows, whole)
        back = torch.roll(joined, shifts, axes) if any(shifts) else joined
        for axis, side in zip(axes, grid, strict=True):
            back = back.narrow(axis, 0, side)
        return back

    def _bias(self, windows: Sequence[int]) -> Tensor:
        """(1, heads, tokens, tokens): what the table says of how two places of a window lie to each other."""
        places = torch.tensor([*product(*(range(side) for side in windows))], device=self.places.device)
        between = places[:, None] - places[None] + (self.window - 1)
        index = torch.zeros_like(between[..., 0])
        for axis in range(len(windows)):
            index = index * (2 * self.window - 1) + between[..., axis]
        table = torch.unflatten(self.places[index.flatten()], 0, tuple(index.shape))
        return table.permute(2, 0, 1).unsqueeze(0)


class Merging(nn.Module):
    """Tokens of two voxels a side as one of twice the width (Liu et al. 2021)."""

    def __init__(self, dimensions: int, width: int) -> None:
        super().__init__()
        self.norm = layer_norm(2**dimensions * width)
        self.narrowed = nn.Linear(2**dimensions * width, 2 * width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(samples, *grid, width) to (samples, *grid / 2, 2 width); sides are even."""
        grid = tokens.shape[1:-1]
        joined = _parted(tokens, [2] * len(grid)).flatten(2)
        merged = cast(Tensor, self.narrowed(self.norm(joined)))
        return torch.unflatten(merged, 1, tuple(side // 2 for side in grid))


class SwinUNETRNetwork(EncoderDecoder):
    """Tokens of two voxels a side, four stages of windowed blocks, and a decoder over all five grids and the image."""

    def __init__(self, parameters: SwinUNETR, inputs: int, outputs: int) -> None:
        super().__init__()
        dimensions, filters = parameters.dimensions, parameters.filters
        widths = [filters * 2**level for level in range(GRIDS + 1)]
        self.finest = residual(parameters, inputs, filters)
        # The last grid but one goes to the decoder as it is, as the authors have it.
        self.skips = nn.ModuleList(
            [*(residual(parameters, width, width) for width in widths[: GRIDS - 1]), nn.Identity()]
        )
        self.coarsest = residual(parameters, widths[-1], widths[-1])
        here = [filters, *widths[:-1]]
        self.decoders = nn.ModuleList(
            Decoder(upwards(dimensions, below, width), concatenated, residual(parameters, 2 * width, width))
            for below, width in zip(widths, here, strict=True)
        )
        self.attach_heads(dimensions, here[: len(parameters.scales)], outputs)
        initialise(self, LEAK)
        self.embed = CONVOLUTIONS[dimensions](inputs, filters, 2, stride=2)
        self.stages = nn.ModuleList(_stage(parameters, level) for level in range(GRIDS))
        truncated(self.embed)
        truncated(self.stages)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """The decoder's features, the finest first; sides of the image are multiples of 32."""
        tokens = self.embed(image).movedim(1, -1)
        grids = [_plain(tokens)]
        for stage in self.stages:
            tokens = stage(tokens)
            grids.append(_plain(tokens))
        beside = [self.finest(image), *(skip(each) for skip, each in zip(self.skips, grids, strict=False))]
        features: Tensor = self.coarsest(grids[-1])
        found: list[Tensor] = []
        for decoder, skipped in zip(reversed(self.decoders), reversed(beside), strict=True):
            features = decoder(features, skipped)
            found.insert(0, features)
        return found


def build_swin_unetr(parameters: SwinUNETR, inputs: int, outputs: int) -> nn.Module:
    """A Swin UNETR (Hatamizadeh et al. 2022)."""
    return SwinUNETRNetwork(parameters, inputs, outputs)


def _stage(parameters: SwinUNETR, level: int) -> nn.Module:
    width, heads = parameters.filters * 2**level, parameters.heads * 2**level
    blocks = (WindowedBlock(parameters, width, heads, shifted=number % 2 == 1) for number in range(parameters.blocks))
    return nn.Sequential(*blocks, Merging(parameters.dimensions, width))


def _plain(tokens: Tensor) -> Tensor:
    """(samples, *grid, width) as (samples, width, *grid), each token normalised."""
    return functional.layer_norm(tokens, tokens.shape[-1:]).movedim(-1, 1)


def _padded(tokens: Tensor, windows: Sequence[int]) -> Tensor:
    """With zeros after the last token of each axis, up to a multiple of the window."""
    grid = tokens.shape[1:-1]
    more = [-side % window for side, window in zip(grid, windows, strict=True)]
    beyond = [amount for side in reversed(more) for amount in (0, side)]
    return functional.pad(tokens, (0, 0, *beyond)) if any(more) else tokens


def _parted(tokens: Tensor, windows: Sequence[int]) -> Tensor:
    """(samples, *grid, width) as (samples, windows, tokens of each, width)."""
    samples, *grid, width = tokens.shape
    sides = [part for side, window in zip(grid, windows, strict=True) for part in (side // window, window)]
    axes = len(grid)
    order = (0, *range(1, 2 * axes, 2), *range(2, 2 * axes + 1, 2), 2 * axes + 1)
    count = math.prod(sides[::2])
    return tokens.reshape(samples, *sides, width).permute(order).reshape(samples, count, math.prod(windows), width)


def _joined(parts: Tensor, windows: Sequence[int], grid: Sequence[int]) -> Tensor:
    """The way back from `_parted`."""
    counts = [side // window for side, window in zip(grid, windows, strict=True)]
    axes = len(grid)
    order = (0, *(each for axis in range(1, axes + 1) for each in (axis, axis + axes)), 2 * axes + 1)
    samples, width = parts.shape[0], parts.shape[-1]  # `len` would make a constant of it in an exported program
    return parts.reshape(samples, *counts, *windows, width).permute(order).reshape(samples, *grid, width)


def _apart(
    grid: Sequence[int], windows: Sequence[int], shifts: Sequence[int], device: torch.device, dtype: torch.dtype
) -> Tensor:
    """(windows, 1, tokens, tokens): minus infinity between tokens that lie together only since the grid was turned."""
    region = torch.zeros(1, *grid, 1, device=device, dtype=torch.long)
    for axis, (side, window, shift) in enumerate(zip(grid, windows, shifts, strict=True), start=1):
        place = torch.arange(side, device=device)
        along = (place >= side - window).long() + (place >= side - shift).long() if shift else torch.zeros_like(place)
        region = region * 3 + along.reshape([-1 if each == axis else 1 for each in range(region.ndim)])
    parts = _parted(region, windows).squeeze(0).squeeze(-1)
    others = parts[:, None, :] != parts[:, :, None]
    return torch.zeros_like(others, dtype=dtype).masked_fill(others, -torch.inf).unsqueeze(1)
