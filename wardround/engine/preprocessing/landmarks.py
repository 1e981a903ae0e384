"""Maps of intensities that run linearly from one landmark to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wardround.engine.basics.blocks import blocks
from wardround.engine.preprocessing.channelwise import Chosen, chooser, gathered, require_contrast
from wardround.engine.preprocessing.percentiles import percentiles_of


def map_landmarks(
    values: np.ndarray, out: np.ndarray, percentiles: Sequence[float], standard: np.ndarray, within: Chosen
) -> None:
    """Write a channel into `out` with its percentiles where a standard has them. Within `nonzero`, zeros stay zero.

    Raises `InputError` for a channel whose percentiles are all one value.
    """
    is_chosen = chooser(within, values)
    if is_chosen is None:
        out[...] = values
    found = out.reshape(-1) if is_chosen is None else gathered(values, out, is_chosen)
    own = np.asarray(percentiles_of(found, percentiles) if found.size else (0.0,) * len(percentiles))
    require_contrast(float(own[-1] - own[0]), values, found.size, within)
    LandmarkMap(own, standard).write(values, out)
    if within == "nonzero":
        out[values == 0] = 0


class LandmarkMap:
    """Takes landmarks of an image to standard ones; beyond the outermost two the nearest piece goes on.

    Landmarks of an image that are one value, as where a third of it is equally dark, go to the middle of theirs.
    """

    def __init__(self, own: np.ndarray, standard: np.ndarray) -> None:
        """Of the landmarks of an image, which grow, and those that they become; at least two of both differ."""
        self._own, inverse = np.unique(own, return_inverse=True)
        self._standard = np.bincount(inverse, weights=standard) / np.bincount(inverse)
        self._slopes = np.diff(self._standard) / np.diff(self._own)

    def write(self, values: np.ndarray, out: np.ndarray) -> None:
        """The values of an array in C order, as they become, into another."""
        for part, found in zip(blocks(out), blocks(values), strict=True):
            part[...] = self._mapped(found.astype(np.float64))

    def _mapped(self, values: np.ndarray) -> np.ndarray:
        own, standard = self._own, self._standard
        piece = np.clip(np.searchsorted(own, values, side="right") - 1, 0, len(self._slopes) - 1)
        return np.asarray(standard[piece] + (values - own[piece]) * self._slopes[piece])
