"""What a preprocessing step takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from wardround.engine.imaging.image import Image


@dataclass(frozen=True)
class Sample:
    """A case in memory.

    Attributes:
        image: float32 voxels of shape (channels, *spatial) and their grid.
        label: class indices of shape (*spatial) on the same grid, uint8 or uint16; None where there is no mask.
    """

    image: Image
    label: np.ndarray | None


class Step(Protocol):
    """One preprocessing step, made from its parameters.

    `version` grows whenever the same parameters would give other voxels, so that stored cases are made anew.
    """

    version: int

    def apply(self, sample: Sample) -> Sample:
        """The sample after this step; the argument stays as it is."""
