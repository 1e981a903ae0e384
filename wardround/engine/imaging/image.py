"""An image and where it lies in space."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Role(Enum):
    """What a file is read as: an image, whose pixels are seen, or a mask, whose pixels are numbers of classes."""

    IMAGE = "image"
    MASK = "mask"


class Space(Enum):
    """What a file tells of the space that its voxels lie in."""

    NOTHING = "nothing"
    """Not even the size of a pixel, as a photograph."""
    SIZES = "sizes"
    """The size of a voxel, but not which way is left, front or up."""
    BODY = "body"
    """Sizes, and directions in the body."""


@dataclass(frozen=True)
class Geometry:
    """A voxel grid in physical space.

    Arrays are indexed (x, y, z) in 3D, as ITK orders axes, and (row, column) in 2D.

    Attributes:
        shape: voxels per axis.
        spacing: mm per axis.
        origin: position of the first voxel's centre in mm, LPS as in ITK and DICOM.
        direction: unit vectors of the axes as columns, flattened row by row.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.shape)


@dataclass(frozen=True)
class Remark:
    """Something that a file's header says and that is allowed, but that its owner should know.

    Attributes:
        what: one clause that is the same for every file with the same oddity.
        got: what this file says.
        remedy: what to do about it.
    """

    what: str
    got: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Image:
    """Voxels and their grid. `data` has shape (channels, *geometry.shape)."""

    data: np.ndarray
    geometry: Geometry
