"""Quarter and half turns, of image and truth alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.augmentation.transform import Drawn, GeometricTransform, Permutation
from wardround.engine.parts.augmentation import Rotate90, Rotate180


@dataclass(frozen=True)
class TurnDrawn(Drawn):
    """The axes of a plane, counted from 0, and how many quarters are turned from the first of them to the second."""

    plane: tuple[int, int]
    quarters: int


class Rotate90Transform(GeometricTransform[TurnDrawn]):
    """Turn by one, two or three quarters."""

    def __init__(self, parameters: Rotate90) -> None:
        self._turns = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> TurnDrawn | None:
        """A plane and a number of quarters; None with probability 1 - p."""
        planes = self._turns.planes(dimensions)
        chance, which, quarters = random.random(), int(random.integers(len(planes))), int(random.integers(1, 4))
        return TurnDrawn(planes[which], quarters) if chance < self._turns.probability else None

    def motion(self, drawn: TurnDrawn, shape: tuple[int, ...], device: torch.device) -> Permutation:
        """The turn of whole voxels."""
        return _turned(drawn)


class Rotate180Transform(GeometricTransform[TurnDrawn]):
    """Turn by a half."""

    def __init__(self, parameters: Rotate180) -> None:
        self._turns = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> TurnDrawn | None:
        """A plane; None with probability 1 - p."""
        planes = self._turns.planes(dimensions)
        chance, which = random.random(), int(random.integers(len(planes)))
        return TurnDrawn(planes[which], 2) if chance < self._turns.probability else None

    def motion(self, drawn: TurnDrawn, shape: tuple[int, ...], device: torch.device) -> Permutation:
        """The turn of whole voxels."""
        return _turned(drawn)


def _turned(drawn: TurnDrawn) -> Permutation:
    first, second = (axis + 1 for axis in drawn.plane)
    return Permutation(lambda volumes: volumes.rot90(drawn.quarters, (first, second)))
