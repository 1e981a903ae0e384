"""Mirroring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.augmentation.transform import Drawn, active
from wardround.engine.parts.augmentation import Flip


@dataclass(frozen=True)
class FlipDrawn(Drawn):
    """The axes of the patch that are mirrored, counted from 0."""

    axes: tuple[int, ...]


class FlipTransform:
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

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[FlipDrawn | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The batch with the drawn samples mirrored, the label with the image."""
        flipping = active(drawn)
        if not flipping:
            return image, label
        flipped, flipped_label = image.clone(), None if label is None else label.clone()
        for place, parameters in flipping:
            flipped[place] = image[place].flip([axis + 1 for axis in parameters.axes])
            if label is not None and flipped_label is not None:
                flipped_label[place] = label[place].flip(parameters.axes)
        return flipped, flipped_label
