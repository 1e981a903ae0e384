"""Sums of floating-point numbers without rounding, so that they are the same in any order and any grouping."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.closed import Closed

_MOST_PLACES = 2 * 1074
"""Binary places of the square of the smallest float64."""
_MOST_BITS = 2 * 1024 + _MOST_PLACES + 64
"""Bits of the sum of squares of more float64 than anybody has."""
_FLOAT32_PLACES = 149 + 23
"""Binary places under which 24 bits of every float32 lie, also of the smallest."""
_HALF = 1 << 12
"""A float32 has 24 bits of mantissa: its halves have 12 each, whose products a float64 adds by the million."""


class Dyadic(Closed):
    """The exact number `numerator / 2 ** places`, in lowest terms: equal numbers have equal JSON.

    Every finite float is one, and so are sums and products of them.
    """

    numerator: int = 0
    places: Annotated[int, Field(ge=0, le=_MOST_PLACES)] = 0

    @model_validator(mode="after")
    def _in_lowest_terms(self) -> Self:
        if self.places and self.numerator % 2 == 0:
            raise ValueError("the fraction is not in lowest terms")
        if self.numerator.bit_length() > _MOST_BITS:
            raise ValueError("the number is larger than any sum of floats")
        return self

    @classmethod
    def of(cls, numerator: int, places: int) -> Self:
        """`numerator / 2 ** places`, reduced."""
        if numerator == 0:
            return cls()
        spare = min(places, (numerator & -numerator).bit_length() - 1)
        return cls(numerator=numerator >> spare, places=places - spare)

    def __add__(self, other: Self) -> Self:
        places = max(self.places, other.places)
        return self.of(self.over(places) + other.over(places), places)

    def over(self, places: int) -> int:
        """The numerator over `2 ** places`, of which there must be at least as many as the number has."""
        return self.numerator << (places - self.places)

    @property
    def fraction(self) -> Fraction:
        """The number itself."""
        return Fraction(self.numerator, 1 << self.places)


def exact_sums(values: np.ndarray) -> tuple[Dyadic, Dyadic]:
    """The sum of finite values, and the sum of their squares, both without rounding.

    Voxels in float32 take about 50 ns each and a few megabytes; other types are meant for tables and go through
    Python's integers. Raises ValueError for values that are not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("only finite values have a sum")
    if values.dtype == np.float32:
        return _sums_of_voxels(values)
    ratios = [float(value).as_integer_ratio() for value in values.reshape(-1)]
    pairs = [Dyadic.of(numerator, below.bit_length() - 1) for numerator, below in ratios]
    places = max((pair.places for pair in pairs), default=0)
    whole = [pair.over(places) for pair in pairs]
    return Dyadic.of(sum(whole), places), Dyadic.of(sum(value * value for value in whole), 2 * places)


def _sums_of_voxels(values: np.ndarray) -> tuple[Dyadic, Dyadic]:
    total = squares = 0
    for block in blocks(np.ascontiguousarray(values)):
        fractions, exponents = np.frexp(block)
        mantissas = fractions.astype(np.float64) * (1 << 24)
        lowest = int(exponents.min())
        rows = (exponents - lowest).astype(np.intp)
        shift = lowest - 24 + _FLOAT32_PLACES
        total += _joined(rows, mantissas, shift, 1)
        high, low = np.divmod(np.abs(mantissas), _HALF)
        # Each of the three sums stays below 2 ** 53 for a block, where float64 counts without a gap.
        for product, bits in ((high * high, 24), (2 * high * low, 12), (low * low, 0)):
            squares += _joined(rows, product, 2 * shift + bits, 2)
    return Dyadic.of(total, _FLOAT32_PLACES), Dyadic.of(squares, 2 * _FLOAT32_PLACES)


def _joined(rows: np.ndarray, whole: np.ndarray, shift: int, power: int) -> int:
    """The sum of whole numbers that stand in rows of growing exponents, as one integer."""
    sums = np.bincount(rows, weights=whole)
    return sum(int(value) << (shift + power * row) for row, value in enumerate(sums) if value)
