"""Occlusion: what an answer loses when a box of the image is covered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from wardround.engine.explain.aim import Aim, score

PARTS = 8
"""Boxes along each axis."""

Box = tuple[slice, ...]


def occlusion(network: nn.Module, images: Tensor, aim: Aim, empty: Tensor) -> Tensor:
    """Occlusion (Zeiler and Fergus 2014): (samples, *grid), of either sign.

    The image is covered box by box with its empty value, of shape (channels,); a voxel's number is by how much the
    answer falls when its box is covered. Needs neither gradients nor a certain kind of network.
    """
    with torch.no_grad():
        outputs = network(images)
        weights = aim.weights(outputs)
        whole = score(outputs, weights)
        found = torch.zeros(len(images), *images.shape[2:], device=images.device)
        for box in boxes(images.shape[2:]):
            covered = images.clone()
            covered[(slice(None), slice(None), *box)] = empty.reshape(1, -1, *(1,) * (images.ndim - 2))
            loss = whole - score(network(covered), weights)
            found[(slice(None), *box)] = loss.reshape(-1, *(1,) * (images.ndim - 2))
    return found


def boxes(shape: Sequence[int]) -> Iterator[Box]:
    """Boxes that cover a grid, each voxel once: eight along each axis, or as many as there are voxels."""
    sides = [_pieces(length) for length in shape]
    return itertools.product(*sides)


def _pieces(length: int) -> list[slice]:
    count = min(PARTS, length)
    edges = [round(place * length / count) for place in range(count + 1)]
    return [slice(first, last) for first, last in itertools.pairwise(edges)]
