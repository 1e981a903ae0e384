"""A field of sensitivity that varies slowly over the image. Labels stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.along import along
from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import BiasField


@dataclass(frozen=True)
class BiasFieldDrawn(Drawn):
    """The order of a polynomial, and its coefficients by the exponents of the axes: (0, 0, 0), (0, 0, 1) and so on, as
    far as their sum is not above the order."""

    order: int
    coefficients: tuple[float, ...]


class BiasFieldTransform(IntensityTransform[BiasFieldDrawn]):
    """Multiply by the exponential of a polynomial in the places of voxels, which run from -1 to 1 along each axis."""

    def __init__(self, parameters: BiasField) -> None:
        self._field = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> BiasFieldDrawn | None:
        """Coefficients from a uniform distribution; None with probability 1 - p, or where all are 0."""
        given = self._field
        chance = random.random()
        drawn = random.uniform(-given.coefficients, given.coefficients, len(exponents(given.order, dimensions)))
        return (
            BiasFieldDrawn(given.order, tuple(drawn.tolist())) if chance < given.probability and drawn.any() else None
        )

    def changed(self, sample: Tensor, drawn: BiasFieldDrawn) -> Tensor:
        """The sample under the field."""
        return sample.mul_(_field(drawn, tuple(sample.shape[1:]), sample.device))


def exponents(order: int, dimensions: int) -> list[tuple[int, ...]]:
    """Those of all terms of a polynomial."""
    return [each for each in product(range(order + 1), repeat=dimensions) if sum(each) <= order]


def _field(drawn: BiasFieldDrawn, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """float32, (1, *shape). Its terms are products of powers, so that one small matrix for each axis makes it."""
    terms = np.zeros((drawn.order + 1,) * len(shape), np.float32)
    for each, coefficient in zip(exponents(drawn.order, len(shape)), drawn.coefficients, strict=True):
        terms[each] = coefficient
    field = torch.from_numpy(terms).to(device)[None]
    for axis, side in enumerate(shape):
        places = np.linspace(-1, 1, side) if side > 1 else np.zeros(1)
        field = along(field, axis, np.vander(places, drawn.order + 1, increasing=True).astype(np.float32))
    return field.exp_()
