"""Whether voxels look like those of a mask: few values, all of them whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

_MOST_VALUES, _FIRST = 32, 10_000


def looks_like_mask(voxels: np.ndarray[Any, Any]) -> bool:
    """Whether an image has so few values, and such, that it is probably a mask. One of a single value is neither."""
    flat = voxels.reshape(-1)
    if not flat.size:
        return False
    # First some of the voxels: they tell nearly every image from a mask, and all would have to be sorted.
    return _are_classes(flat[:: max(1, flat.size // _FIRST)]) and _are_classes(flat) and flat.min() != flat.max()


def _are_classes(values: np.ndarray[Any, Any]) -> bool:
    found = np.unique(values)
    return len(found) <= _MOST_VALUES and bool((found >= 0).all() and (found == np.floor(found)).all())
