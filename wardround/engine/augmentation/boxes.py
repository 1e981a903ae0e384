"""What happens to boxes within a patch: some are hidden, some change places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.intensity import ends, moments
from wardround.engine.augmentation.transform import Drawn, GeometricTransform, IntensityTransform, Permutation
from wardround.engine.parts.augmentation import Cutout, Swap

Box = tuple[slice, ...]


@dataclass(frozen=True)
class CutoutDrawn(Drawn):
    """The boxes: of each the side, as a share of the patch's, and where it lies, from 0 to 1 along each axis; and what
    fills them."""

    sides: tuple[float, ...]
    places: tuple[tuple[float, ...], ...]
    filled: str


class CutoutTransform(IntensityTransform[CutoutDrawn]):
    """Hide boxes of the image."""

    def __init__(self, parameters: Cutout) -> None:
        self._cutout = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> CutoutDrawn | None:
        """Boxes of random sides at random places; None with probability 1 - p."""
        given = self._cutout
        chance, count = random.random(), int(random.integers(given.boxes[0], given.boxes[1] + 1))
        sides, places = random.uniform(*given.side, count), random.random((count, dimensions))
        if chance >= given.probability:
            return None
        return CutoutDrawn(tuple(sides.tolist()), tuple(map(tuple, places.tolist())), given.filled)

    def changed(self, sample: Tensor, drawn: CutoutDrawn) -> Tensor:
        """The sample without what its boxes held."""
        value = moments(sample)[0] if drawn.filled == "mean" else ends(sample)[0]
        for side, place in zip(drawn.sides, drawn.places, strict=True):
            sample[(slice(None), *_box(tuple(sample.shape[1:]), side, place))] = value
        return sample


def _box(shape: Sequence[int], side: float, place: Sequence[float]) -> Box:
    lengths = _lengths(shape, side)
    corners = [int(share * (whole - part + 1)) for share, whole, part in zip(place, shape, lengths, strict=True)]
    return tuple(slice(corner, corner + part) for corner, part in zip(corners, lengths, strict=True))


def _lengths(shape: Sequence[int], side: float) -> list[int]:
    return [max(1, round(side * whole)) for whole in shape]


@dataclass(frozen=True)
class PairDrawn(Drawn):
    """Two boxes: their side, as a share of the patch's; where each lies, from 0 to 1 along each axis; and along which
    axis they lie one behind the other."""

    side: float
    first: tuple[float, ...]
    second: tuple[float, ...]
    axis: int


@dataclass(frozen=True)
class SwapDrawn(Drawn):
    """The pairs that change places, one after the other."""

    pairs: tuple[PairDrawn, ...]


def swap_transform(parameters: Swap) -> SwapEverything | SwapImage:
    """The transform, by what becomes of the truth."""
    return SwapEverything(parameters) if parameters.truth == "follows" else SwapImage(parameters)


class SwapEverything(GeometricTransform[SwapDrawn]):
    """Let boxes of image and truth change places."""

    def __init__(self, parameters: Swap) -> None:
        self._swap = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> SwapDrawn | None:
        """Pairs of boxes; None with probability 1 - p."""
        return _drawn(self._swap, random, dimensions)

    def motion(self, drawn: SwapDrawn, shape: tuple[int, ...], device: torch.device) -> Permutation:
        """The exchange of whole voxels."""
        return Permutation(lambda volumes: _swapped(volumes.clone(), drawn))


class SwapImage(IntensityTransform[SwapDrawn]):
    """Let boxes of the image change places."""

    def __init__(self, parameters: Swap) -> None:
        self._swap = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> SwapDrawn | None:
        """Pairs of boxes; None with probability 1 - p."""
        return _drawn(self._swap, random, dimensions)

    def changed(self, sample: Tensor, drawn: SwapDrawn) -> Tensor:
        """The sample, in disorder."""
        return _swapped(sample, drawn)


def _drawn(given: Swap, random: np.random.Generator, dimensions: int) -> SwapDrawn | None:
    chance, count = random.random(), int(random.integers(given.pairs[0], given.pairs[1] + 1))
    pairs = []
    for _ in range(count):
        side, (first, second) = float(random.uniform(*given.side)), random.random((2, dimensions)).tolist()
        pairs.append(PairDrawn(side, tuple(first), tuple(second), int(random.integers(dimensions))))
    return SwapDrawn(tuple(pairs)) if chance < given.probability else None


def _swapped(volumes: Tensor, drawn: SwapDrawn) -> Tensor:
    """`volumes`, (channels, *spatial), written into."""
    for pair in drawn.pairs:
        boxes = _pair(tuple(volumes.shape[1:]), pair)
        if boxes is not None:
            first, second = ((slice(None), *box) for box in boxes)
            kept = volumes[first].clone()
            volumes[first] = volumes[second]
            volumes[second] = kept
    return volumes


def _pair(shape: tuple[int, ...], pair: PairDrawn) -> tuple[Box, Box] | None:
    """Two boxes that do not meet; None where an axis has no room for two of them."""
    length, whole = _lengths(shape, pair.side)[pair.axis], shape[pair.axis]
    room = whole - 2 * length
    if room < 0:
        return None
    first, second = ([*_box(shape, pair.side, place)] for place in (pair.first, pair.second))
    corner = int(pair.first[pair.axis] * (room + 1))
    behind = corner + length + int(pair.second[pair.axis] * (room - corner + 1))
    first[pair.axis], second[pair.axis] = slice(corner, corner + length), slice(behind, behind + length)
    return tuple(first), tuple(second)
