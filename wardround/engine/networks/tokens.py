"""Tokens and the transformer blocks that see them: vectors, each of which stands for a small block of voxels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.networks.layers import CONVOLUTIONS

EPSILON = 1e-6
LONGEST_WAVE = 10_000.0


def layer_norm(width: int) -> nn.LayerNorm:
    """Layer norm of tokens (Ba et al. 2016)."""
    return nn.LayerNorm(width, eps=EPSILON)


def positions(grid: Sequence[int], width: int, like: Tensor) -> Tensor:
    """(*grid, width) sines and cosines of the places along each axis (Vaswani et al. 2017; in images He et al. 2022).

    Each axis has an equal share of the width; what is left over is zero. On the device of `like`, and in its type.
    """
    waves = width // (2 * len(grid))
    rates = LONGEST_WAVE ** (-torch.arange(waves, device=like.device, dtype=torch.float32) / max(1, waves))
    parts = []
    for axis, side in enumerate(grid):
        angles = torch.arange(side, device=like.device, dtype=torch.float32)[:, None] * rates
        shape = [side if each == axis else 1 for each in range(len(grid))]
        told = torch.cat([angles.sin(), angles.cos()], dim=1).reshape(*shape, 2 * waves)
        parts.append(told.expand(*grid, 2 * waves))
    rest = torch.zeros((*grid, width - 2 * waves * len(grid)), device=like.device)
    return torch.cat([*parts, rest], dim=-1).to(like.dtype)


class Attention(nn.Module):
    """Self-attention of several heads (Vaswani et al. 2017)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.together = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """(..., tokens, width) to the same. `bias`, of the shape of scores (..., heads, tokens, tokens), tells how much
        each token looks at each other beforehand."""
        share = tokens.shape[-1] // self.heads
        each = self.together(tokens).unflatten(-1, (3, self.heads, share))
        query, key, value = (part.transpose(-3, -2) for part in each.unbind(-3))
        scores = query @ key.transpose(-2, -1) * share**-0.5
        seen = (scores if bias is None else scores + bias).softmax(dim=-1) @ value
        return cast(Tensor, self.dropout(self.mixed(seen.transpose(-3, -2).flatten(-2))))


def perceptron(width: int, dropout: float) -> nn.Sequential:
    """Two linear layers, four times as wide between them."""
    inner = 4 * width
    return nn.Sequential(
        nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, width), nn.Dropout(dropout)
    )


class TransformerBlock(nn.Module):
    """Attention and two linear layers, each added to what came in, with layer norm before them."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.first, self.attention = layer_norm(width), Attention(width, heads, dropout)
        self.second, self.perceptron = layer_norm(width), perceptron(width, dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """(samples, tokens, width) to the same."""
        tokens = tokens + self.attention(self.first(tokens))
        return tokens + cast(Tensor, self.perceptron(self.second(tokens)))


class Tokens(nn.Module):
    """Blocks of voxels that do not overlap as tokens which know their places."""

    def __init__(self, dimensions: int, inputs: int, width: int, patch: int, dropout: float) -> None:
        super().__init__()
        self.embed = CONVOLUTIONS[dimensions](inputs, width, patch, stride=patch)
        self.dropout = nn.Dropout(dropout)

    def forward(self, image: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, *grid / patch, width)."""
        tokens = self.embed(image).movedim(1, -1)
        return cast(Tensor, self.dropout(tokens + positions(tokens.shape[1:-1], tokens.shape[-1], tokens)))
