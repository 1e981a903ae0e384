"""Mirroring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.augmentation.transform import Drawn, GeometricTransform, Permutation
from wardround.engine.parts.augmentation import Flip


@dataclass(frozen=True)
class FlipDrawn(Drawn):
    """The axes of the patch that are mirrored, counted from 0."""

    axes: tuple[int, ...]


class FlipTransform(GeometricTransform[FlipDrawn]):
    """Mirror each of the named axes independently."""

    def __init__(self, parameters: Flip) -> None:
        self._flip = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> FlipDrawn | None:
        """One chance per axis of the patch, whether it may be mirrored or not; None if no axis is."""
        chances = random.random(dimensions)
        axes = tuple(
            axis for axis, chance in enumerate(chances) if self._flip.allows(axis) and chance < self._flip.probability
        )
        return FlipDrawn(axes) if axes else None

    def motion(self, drawn: FlipDrawn, shape: tuple[int, ...], device: torch.device) -> Permutation:
        """The drawn axes run the other way."""
        axes = [axis + 1 for axis in drawn.axes]
        return Permutation(lambda volumes: volumes.flip(axes))
