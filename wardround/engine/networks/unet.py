"""The U-Nets, in 2D and 3D: one frame of levels, and blocks that tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.blocks import (
    Branches,
    EncoderDecoder,
    Pooled,
    Residual,
    Smoothed,
    activated,
    dropout,
    leaky,
    normed,
    pointwise,
    upwards,
)
from wardround.engine.networks.layers import LEAK, Sides, initialise
from wardround.engine.parts.networks import AttentionUNet, InceptionUNet, ResidualEncoder, ResUNet, UNet
from wardround.engine.parts.networks.levels import LevelledParameters

Join = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Style:
    """What tells one U-Net from another.

    Attributes:
        encode: (level, inputs, outputs) to the block of one level, which reduces the grid by the level's stride.
        decode: (level, below, here) to the step up from the level below, with its feature maps and those here.
    """

    encode: Callable[[int, int, int], nn.Module]
    decode: Callable[[int, int, int], nn.Module]


class ResidualBlock(Residual):
    """A path beside a shortcut: the input itself, or its projection where grid or channels change."""

    def __init__(self, parameters: UNet, path: nn.Module, shortcut: nn.Module) -> None:
        super().__init__(path, shortcut, leaky())
        self.dropout = dropout(parameters.dimensions, parameters.dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid / stride)."""
        return cast(Tensor, self.dropout(super().forward(features)))


class Decoder(nn.Module):
    """One step up: refines the grid, joins the encoder's features of that grid, and mixes both."""

    def __init__(self, up: nn.Module, join: Join, block: nn.Module) -> None:
        super().__init__()
        self.up, self.join, self.block = up, join, block

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """(samples, inputs, *grid) and (samples, outputs, *finer grid) to (samples, outputs, *finer grid)."""
        return cast(Tensor, self.block(self.join(self.up(features), skipped)))


class Gate(nn.Module):
    """Weighs features voxel by voxel, from 0 to 1, by themselves and a signal of the same grid (Oktay et al. 2018)."""

    def __init__(self, parameters: UNet, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.of_signal = normed(parameters, channels, inner, width=1)
        self.of_features = normed(parameters, channels, inner, width=1)
        self.weight = nn.Sequential(leaky(), pointwise(parameters.dimensions, inner, 1), nn.Sigmoid())

    def forward(self, signal: Tensor, features: Tensor) -> Tensor:
        """(samples, channels, *grid) of both to weighed features."""
        return cast(Tensor, features * self.weight(self.of_signal(signal) + self.of_features(features)))


class GatedDecoder(nn.Module):
    """One step up whose skip connection goes through a gate."""

    def __init__(self, up: nn.Module, gate: Gate, block: nn.Module) -> None:
        super().__init__()
        self.up, self.gate, self.block = up, gate, block

    def forward(self, features: Tensor, skipped: Tensor) -> Tensor:
        """As `Decoder`."""
        finer = self.up(features)
        return cast(Tensor, self.block(torch.cat([finer, self.gate(finer, skipped)], dim=1)))


class UNetwork(EncoderDecoder):
    """Encoder and decoder with skip connections: a grid for each level, each coarser by a strided convolution."""

    def __init__(self, parameters: LevelledParameters, style: Style, inputs: int, outputs: int) -> None:
        super().__init__()
        widths = parameters.widths
        self.encoders = nn.ModuleList(
            style.encode(level, before, after) for level, (before, after) in enumerate(pairwise([inputs, *widths]))
        )
        self.decoders = nn.ModuleList(
            style.decode(level, below, here) for level, (here, below) in reversed([*enumerate(pairwise(widths))])
        )
        self.attach_heads(parameters.dimensions, widths[: len(parameters.scales)], outputs)
        initialise(self, LEAK)

    def features(self, image: Tensor) -> Sequence[Tensor]:
        """The decoder's features, the finest first; sides of the image are multiples of all strides."""
        features, skipped = image, []
        for encoder in self.encoders:
            features = encoder(features)
            skipped.append(features)
        found: list[Tensor] = []
        for decoder, finer in zip(self.decoders, reversed(skipped[:-1]), strict=True):
            features = decoder(features, finer)
            found.insert(0, features)
        return found


@dataclass(frozen=True)
class _Blocks:
    """The blocks of U-Nets with these parameters."""

    of: UNet

    def plain(self, level: int, inputs: int, outputs: int) -> nn.Module:
        """Two convolutions, the first of which reduces the grid."""
        return self._twice(level, inputs, outputs, self.of.steps[level])

    def concatenated(self, level: int, below: int, here: int) -> nn.Module:
        """Up, beside the skipped features, and two convolutions."""
        return Decoder(self.up(level, below, here), concatenated, self._twice(level, 2 * here, here, 1))

    def lightly_concatenated(self, level: int, below: int, here: int) -> nn.Module:
        """Up, beside the skipped features, and one convolution."""
        return Decoder(self.up(level, below, here), concatenated, self._activated(level, 2 * here, here, 1))

    def gated(self, level: int, below: int, here: int) -> nn.Module:
        """Up, beside the skipped features as a gate lets them through, and two convolutions."""
        return GatedDecoder(self.up(level, below, here), Gate(self.of, here), self._twice(level, 2 * here, here, 1))

    def residual(self, level: int, inputs: int, outputs: int) -> nn.Module:
        """Two convolutions beside a shortcut, which is projected where grid or channels change."""
        stride, path = self.of.steps[level], self._path(level, inputs, outputs, self.of.steps[level])
        shortcut: nn.Module = nn.Identity()
        if max(stride) > 1 or inputs != outputs:
            shortcut = normed(self.of, inputs, outputs, width=1, stride=stride)
        return ResidualBlock(self.of, path, shortcut)

    def added(self, level: int, below: int, here: int) -> nn.Module:
        """Up, plus the skipped features, and one convolution beside a shortcut."""
        path = normed(self.of, here, here, width=self.of.width_of(level))
        return Decoder(self.up(level, below, here), torch.add, ResidualBlock(self.of, path, nn.Identity()))

    def pooled_residual(self, level: int, inputs: int, outputs: int, stride: tuple[int, ...]) -> nn.Module:
        """Two convolutions beside a shortcut, which is averaged where the grid changes (He et al. 2019, ResNet-D)."""
        shortcut = [Pooled(stride, torch.mean)] if max(stride) > 1 else []
        projected = [normed(self.of, inputs, outputs, width=1)] if inputs != outputs else []
        return ResidualBlock(
            self.of, self._path(level, inputs, outputs, tuple(stride)), nn.Sequential(*shortcut, *projected)
        )

    def up(self, level: int, below: int, here: int) -> nn.Module:
        """The grid of a level from that of the level below."""
        return upwards(self.of.dimensions, below, here, self.of.steps[level + 1])

    def _path(self, level: int, inputs: int, outputs: int, stride: Sides) -> nn.Module:
        first = self._activated(level, inputs, outputs, stride)
        return nn.Sequential(first, normed(self.of, outputs, outputs, width=self.of.width_of(level)))

    def _twice(self, level: int, inputs: int, outputs: int, stride: Sides) -> nn.Module:
        first, second = self._activated(level, inputs, outputs, stride), self._activated(level, outputs, outputs, 1)
        return nn.Sequential(first, second, dropout(self.of.dimensions, self.of.dropout))

    def _activated(self, level: int, inputs: int, outputs: int, stride: Sides) -> nn.Module:
        return activated(self.of, inputs, outputs, width=self.of.width_of(level), stride=stride)


def build_unet(parameters: UNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net (Ronneberger et al. 2015; Cicek et al. 2016): two convolutions a block, skips by concatenation."""
    blocks = _Blocks(parameters)
    return UNetwork(parameters, Style(blocks.plain, blocks.concatenated), inputs, outputs)


def build_resunet(parameters: ResUNet, inputs: int, outputs: int) -> nn.Module:
    """A residual U-Net with a light decoder (Myronenko 2018).

    Blocks of two convolutions go down, of one go up, and skips are added. Most of a U-Net's time goes into its finest
    decoder; this one takes a bit more than half the time of the plain network.
    """
    blocks = _Blocks(parameters)
    return UNetwork(parameters, Style(blocks.residual, blocks.added), inputs, outputs)


def build_attention_unet(parameters: AttentionUNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net with gated skips (Oktay et al. 2018); the gate's signal is what comes up from the level below."""
    blocks = _Blocks(parameters)
    return UNetwork(parameters, Style(blocks.plain, blocks.gated), inputs, outputs)


def build_residual_encoder(parameters: ResidualEncoder, inputs: int, outputs: int) -> nn.Module:
    """nnU-Net's residual encoder (Isensee et al. 2024) and its decoder of one convolution a level."""
    blocks, kept = _Blocks(parameters), parameters.steps[0]

    def encode(level: int, before: int, width: int) -> nn.Module:
        stem = [activated(parameters, before, width, width=parameters.width_of(level))] if level == 0 else []
        first = blocks.pooled_residual(level, width if stem else before, width, parameters.steps[level])
        count = parameters.blocks_by_level[level] - 1
        return nn.Sequential(*stem, first, *(blocks.pooled_residual(level, width, width, kept) for _ in range(count)))

    return UNetwork(parameters, Style(encode, blocks.lightly_concatenated), inputs, outputs)


def build_inception_unet(parameters: InceptionUNet, inputs: int, outputs: int) -> nn.Module:
    """A U-Net of inception blocks (Szegedy et al. 2015), with a strided convolution before each on the way down."""
    dimensions = parameters.dimensions

    def encode(level: int, before: int, width: int) -> nn.Module:
        return nn.Sequential(
            activated(parameters, before, width, stride=parameters.steps[level]), _inception(parameters, width, width)
        )

    def decode(level: int, below: int, here: int) -> nn.Module:
        up = upwards(dimensions, below, here, parameters.steps[level + 1])
        return Decoder(up, concatenated, _inception(parameters, 2 * here, here))

    return UNetwork(parameters, Style(encode, decode), inputs, outputs)


def _inception(parameters: InceptionUNet, inputs: int, outputs: int) -> nn.Module:
    """Windows of 1, 3 and 5 voxels and a mean over 3, with a quarter of the outputs each; the first has the rest."""
    part, dimensions = outputs // 4, parameters.dimensions
    narrow = outputs - 3 * part

    def after(first: int, *widths: int) -> nn.Module:
        return nn.Sequential(
            activated(parameters, inputs, first, width=1),
            *(activated(parameters, first, first, width=width) for width in widths),
        )

    branches = [after(narrow), after(part, 3), after(part, 3, 3), nn.Sequential(Smoothed(), after(part))]
    return nn.Sequential(Branches(branches), dropout(dimensions, parameters.dropout))


def concatenated(first: Tensor, second: Tensor) -> Tensor:
    """Two tensors of one grid as one with the channels of both."""
    return torch.cat([first, second], dim=1)
