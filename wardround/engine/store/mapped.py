"""A stored case whose arrays are mapped when they are first used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from wardround.engine.imaging.readable import ArrayReadable, Readable
from wardround.engine.store.case import StoredCase
from wardround.engine.store.entries import Description, map_entry
from wardround.engine.store.mapping import BrokenArrayError
from wardround.engine.store.shelf import SHELF, Arrays

Heal = Callable[[Exception], Description]


class MappedCase(StoredCase):
    """A case in the store. Opening it reads its description only; its arrays are mapped, and every byte of them checked
    once in a process, when they are first used. Arrays that are damaged or gone are made again from the sources."""

    def __init__(self, folder: Path, description: Description, heal: Heal, **others: Any) -> None:
        fields = {
            "digest": description.digest,
            "geometry": description.geometry,
            "native": description.native,
            "cut_to": description.cut_to,
            "target": description.target,
            "numbers": description.numbers,
            "columns": description.columns,
            "folder": folder,
            "_description": description,
            "_heal": heal,
            **others,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def image(self) -> np.ndarray:
        """Float32 memory map of shape (channels, *spatial)."""
        return self._arrays().image

    @property
    def voxels(self) -> Readable:
        """The image by regions; its shape is known without touching it."""
        description: Description = self._description  # type: ignore[attr-defined]
        return ArrayReadable(description.image_shape, self.geometry, np.dtype(np.float32), lambda: self.image)

    @property
    def label(self) -> np.ndarray | None:
        """Memory map of the mask."""
        return self._arrays().label

    @property
    def foreground(self) -> dict[int, np.ndarray]:
        """Coordinates per class index."""
        return self._arrays().foreground

    @property
    def has_label(self) -> bool:
        """Whether there is a mask, without touching it."""
        description: Description = self._description  # type: ignore[attr-defined]
        return description.label_type is not None

    @property
    def classes(self) -> frozenset[int]:
        """The indices of the classes that the mask has, without touching it."""
        description: Description = self._description  # type: ignore[attr-defined]
        return frozenset(description.foreground) - {0}

    @property
    def wanted_image(self) -> np.ndarray | None:
        """Memory map of the images that are to be made."""
        return self._arrays().wanted

    @property
    def has_wanted(self) -> bool:
        """Whether there are such images, without touching them."""
        description: Description = self._description  # type: ignore[attr-defined]
        return description.wanted > 0

    def _arrays(self) -> Arrays:
        return SHELF.arrays(self.folder, self._load)

    def _load(self) -> Arrays:
        try:
            return map_entry(self.folder, self._description)  # type: ignore[attr-defined]
        except BrokenArrayError as error:
            healed: Description = self._heal(error)  # type: ignore[attr-defined]
            object.__setattr__(self, "_description", healed)
            return map_entry(self.folder, healed)
