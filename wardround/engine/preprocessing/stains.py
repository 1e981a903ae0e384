"""The preprocessing step that brings the stains of histological images to those of a reference.

Light that passes a stain is weakened as Beer and Lambert say: its optical density, minus the logarithm of what is left
of it, is the sum of what each stain absorbs. So densities are parted into the strengths of two stains, which are scaled
and put together again with the reference's colours.
"""

from __future__ import annotations

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.parts.preprocessing.colour import PIXELS, StainNormalization
from wardround.engine.preprocessing.channelwise import range_of, with_data
from wardround.engine.preprocessing.percentiles import percentiles_of
from wardround.engine.preprocessing.sample import Sample

_HAEMATOXYLIN, _EOSIN = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11)
"""Ruifrok and Johnston 2001, Analytical and Quantitative Cytology and Histology 23, p. 291."""
_MOST_PIXELS = 1 << 20
"""Stains are found in so many pixels at most, evenly spread: more tell nothing else."""
_BLOCK = 1 << 18
_LEAST_TISSUE = 100
"""Pixels in which stains can be found."""
_EXTREME, _STRONG = 1.0, 99.0
"""Percentiles: of the angles of Macenko's two extremes, and of the strength that is compared."""
_ALIKE = 0.999
"""Cosine from which two stains are one."""
_SPARSENESS, _PASSES, _STEPS = 0.1, 30, 5
"""Of Vahadane's factorisation: the weight of the strengths' sum, how often stains and strengths are found anew, and how
often the strengths within one of them."""


class StainNormalizationStep:
    """Bring two stains to the colours and strengths of a reference."""

    version = 1

    def __init__(self, parameters: StainNormalization) -> None:
        self._method, self._light, self._blank = parameters.method, parameters.light, parameters.blank
        self._least = parameters.least_density
        self._reference = _unit(np.asarray(parameters.stains))
        self._strengths = np.asarray(parameters.strengths)

    def apply(self, sample: Sample) -> Sample:
        """Colours from 0 to 255. Raises `InputError` for pixels that are not, and for an image in which no two stains
        can be told apart unless such images are to be kept as they are."""
        low, high = range_of(sample.image.data)
        if low < PIXELS[0] or high > PIXELS[1]:
            raise InputError.one(
                "stains are told apart in pixels of 8 bits",
                got=f"values from {low:g} to {high:g}",
                expected="values from 0 to 255",
                remedy="Put this step before those that rescale; bring images of 16 bits to 8 with "
                "`rescale: {source: [0, 65535], high: 255}`",
            )
        pixels = np.ascontiguousarray(sample.image.data).reshape(3, -1)
        stains = self._stains(pixels)
        own = None if stains is None else self._parted(pixels, stains)
        if own is not None:
            return with_data(sample, own.reshape(sample.image.data.shape))
        if self._blank == "keep":
            return sample
        raise InputError.one(
            "no two stains can be told apart in the image",
            got="the bare slide, or one colour",
            remedy="Leave the case out, or write `blank: keep` to have such images stay as they are",
        )

    def _stains(self, pixels: np.ndarray) -> np.ndarray | None:
        """Unit rows, haematoxylin first; None where there are no two."""
        densities = _densities(pixels[:, :: -(-pixels.shape[1] // _MOST_PIXELS)], self._light)
        tissue = densities[(densities >= self._least).all(axis=1)]
        if len(tissue) < _LEAST_TISSUE:
            return None
        if self._method == "ruifrok":
            return _unit(np.array([_HAEMATOXYLIN, _EOSIN]))
        found = _extremes(tissue)
        if found is not None and self._method == "vahadane":
            found = _factorised(tissue, found)
        return None if found is None or found[0] @ found[1] > _ALIKE else found

    def _parted(self, pixels: np.ndarray, stains: np.ndarray) -> np.ndarray | None:
        """The pixels with other stains, block by block; None where one of the stains does not occur."""
        out = np.empty(pixels.shape, dtype=np.float32)
        inverse = np.linalg.pinv(stains)
        regions = [slice(first, first + _BLOCK) for first in range(0, pixels.shape[1], _BLOCK)]
        for region in regions:
            out[:2, region] = (_densities(pixels[:, region], self._light) @ inverse).T
        strong = []
        for row in out[:2]:
            out[2] = row  # to be sorted there
            strong += percentiles_of(out[2], (_STRONG,))
        if min(strong) <= 0:
            return None
        scale = self._strengths / strong
        for region in regions:
            densities = (out[:2, region].T * scale) @ self._reference
            out[:, region] = np.clip(self._light * np.exp(-densities), *PIXELS).T
        return out


def _densities(pixels: np.ndarray, light: float) -> np.ndarray:
    """Optical densities, (n, 3), of pixels (3, n); one grey level is added, so that black has one."""
    return -np.log((pixels.T.astype(np.float64) + 1) / light)


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _extremes(tissue: np.ndarray) -> np.ndarray | None:
    """Macenko's stains: the outermost directions in the plane in which the densities are spread most."""
    spreads, axes = np.linalg.eigh(np.cov(tissue.T))
    if spreads[1] <= 1e-12:
        return None
    plane = axes[:, [2, 1]]
    plane = plane * np.where(plane.sum(axis=0) < 0, -1, 1)  # eigenvectors have no sign of their own
    on_plane = tissue @ plane
    angles = np.arctan2(on_plane[:, 1], on_plane[:, 0])
    found = [plane @ (np.cos(angle), np.sin(angle)) for angle in np.percentile(angles, (_EXTREME, 100 - _EXTREME))]
    return _haematoxylin_first(_unit(np.maximum(found, 1e-6)))


def _haematoxylin_first(stains: np.ndarray) -> np.ndarray:
    """It absorbs more of red than eosin does."""
    return stains if stains[0, 0] >= stains[1, 0] else stains[::-1]


def _factorised(tissue: np.ndarray, stains: np.ndarray) -> np.ndarray:
    """Vahadane's stains: nothing is negative, and as many strengths as possible are zero. It begins at `stains`."""
    strengths = np.maximum(tissue @ np.linalg.pinv(stains), 0)
    for _ in range(_PASSES):
        products, own = tissue @ stains.T, stains @ stains.T
        for _ in range(_STEPS):
            for one in (0, 1):
                other = 1 - one
                rest = products[:, one] - strengths[:, other] * own[other, one] - _SPARSENESS
                strengths[:, one] = np.maximum(rest / own[one, one], 0)
        sums = strengths.T @ strengths + 1e-9 * np.eye(2)
        stains = _unit(np.maximum(np.linalg.solve(sums, strengths.T @ tissue), 1e-6))
    return _haematoxylin_first(stains)
