"""A preprocessed case: its arrays and what is needed to write predictions back. The store's cases are mapped lazily."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.cohort.twins import Content
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.readable import ArrayReadable, Readable

NOTHING = Content("", "")
"""Of a case that no other one is compared with."""


@dataclass(frozen=True)
class StoredCase:
    """One preprocessed case.

    Attributes:
        digest: SHA-256 of the case's source bytes (images, mask, value); names the case in random streams.
        image: float32 memory map of shape (channels, *spatial).
        label: memory map of shape (*spatial) with the index of the class in `Study.class_names`, or None.
        foreground: per class index, int32 voxel coordinates of shape (n, dimensions), at most 10,000 a class; under 0
            those of all voxels that count, in a mask where some do not.
        geometry: the grid after preprocessing.
        native: the grid of the file that it came from.
        cut_to: grids that end where it was cut on its way from there.
        target: index of the class in `Study.class_names` for classification, or None.
        folder: where the arrays lie.
        numbers: one for each of `Study.outputs` where those are numbers, in the unit of the table; empty otherwise.
        columns: what the network is given of its row, as `Case.columns`.
        wanted_image: float32 memory map of shape (targets, *spatial) of the images that are to be made, or None.
        content: digests of the decoded image and truth; of all rows that say and show the same they are the same.
    """

    digest: str
    image: np.ndarray
    label: np.ndarray | None
    foreground: Mapping[int, np.ndarray]
    geometry: Geometry
    native: Geometry
    target: int | None
    folder: Path
    numbers: tuple[float, ...] = ()
    columns: tuple[float | None, ...] = ()
    cut_to: tuple[Geometry, ...] = ()
    wanted_image: np.ndarray | None = None

    @property
    def voxels(self) -> Readable:
        """The image by regions."""
        return ArrayReadable.of(self.image, self.geometry)

    @property
    def mask(self) -> Readable | None:
        """The label by regions, as one channel; None without one."""
        return None if self.label is None else ArrayReadable.of(self.label[None], self.geometry)

    @property
    def has_label(self) -> bool:
        """Whether there is a mask, without touching it."""
        return self.label is not None

    @property
    def wanted(self) -> Readable | None:
        """The images that are to be made by regions; None where there are none."""
        return None if self.wanted_image is None else ArrayReadable.of(self.wanted_image, self.geometry)

    @property
    def has_wanted(self) -> bool:
        """Whether there are such images, without touching them."""
        return self.wanted_image is not None

    @property
    def classes(self) -> frozenset[int]:
        """The indices of the classes that the mask has, but for the background, without touching it."""
        return frozenset(self.foreground) - {0}

    content: Content = NOTHING
