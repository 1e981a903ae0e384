"""The bridge between our arrays and ITK's images, for what ITK writes and resamples. It reads no file.

ITK's index order is (x, y, z), its numpy order the reverse. 3D arrays here are indexed (x, y, z); 2D ones are
(row, column), which is ITK's (y, x): in 2D all of a grid's properties are reversed, so that axis 0 is the row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK

from wardround.engine.imaging.image import Geometry

sitk: Any = SimpleITK  # its annotations cover only a part of it
sitk.ProcessObject.SetGlobalWarningDisplay(False)  # our own checks speak instead, in the user's words


def to_itk(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of one channel: `array` has the grid's shape."""
    return from_ordered(in_itk_order(array), geometry)


def in_itk_order(array: np.ndarray) -> np.ndarray:
    """An array of one channel as ITK orders axes, laid out for it."""
    return np.ascontiguousarray(_itk_order(array))


def from_ordered(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of what `in_itk_order` gave."""
    return _placed(sitk.GetImageFromArray(array), geometry)


def to_itk_vector(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of several values per voxel: `array` has shape (channels, *spatial)."""
    ordered = np.stack([_itk_order(channel) for channel in array], axis=-1)
    return _placed(sitk.GetImageFromArray(ordered, isVector=True), geometry)


def from_itk(image: Any) -> np.ndarray:
    """The array of a one-channel ITK image, in our axis order."""
    return np.array(_our_order(sitk.GetArrayViewFromImage(image)), order="C")


def itk_grid(geometry: Geometry) -> tuple[list[int], list[float], list[float], list[float]]:
    """Size, spacing, origin and direction as ITK orders them."""
    if geometry.dimensions == 3:
        return list(geometry.shape), list(geometry.spacing), list(geometry.origin), list(geometry.direction)
    reverse = slice(None, None, -1)
    return (
        list(geometry.shape[reverse]),
        list(geometry.spacing[reverse]),
        list(geometry.origin[reverse]),
        list(geometry.direction[reverse]),
    )


def _our_order(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 1, 0) if array.ndim == 3 else array


def _itk_order(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 1, 0) if array.ndim == 3 else array


def _placed(image: Any, geometry: Geometry) -> Any:
    _, spacing, origin, direction = itk_grid(geometry)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image
