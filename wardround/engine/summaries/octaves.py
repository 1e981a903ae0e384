"""How often values of each size occur, in bins that everybody knows beforehand, whatever the values are."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.closed import Closed

OCTAVE_BINS = 1 << 12
_SHIFT, _ALL_BUT_SIGN = np.int32(20), np.int32(0x7FFFFFFF)
"""Of a float32's 32 bits a bin has the first 12 in common: sign, exponent and three of the fraction."""
_LARGEST = float(np.finfo(np.float32).max)


class Octaves(Closed):
    """Counts of float32 values by size: eight equal bins between each power of two and the next, on both sides of zero.

    No value, however far from the others, changes what is told of these, and no range has to be told first.
    """

    kind: Literal["octaves"] = "octaves"
    counts: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=OCTAVE_BINS, max_length=OCTAVE_BINS)

    @classmethod
    def empty(cls) -> Self:
        """One without values."""
        return cls(counts=(0,) * OCTAVE_BINS)

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Of finite values of any shape, as float32. Raises ValueError for values that are not finite."""
        found = np.zeros(OCTAVE_BINS, dtype=np.int64)
        for block in blocks(np.ascontiguousarray(values)):
            with np.errstate(over="ignore"):
                narrow = block.astype(np.float32) + np.float32(0)  # of the two zeros one
            if not np.isfinite(narrow).all():
                raise ValueError("only finite values are counted")
            found += np.bincount(_places(narrow), minlength=OCTAVE_BINS)
        return cls(counts=tuple(found.tolist()))

    def merge(self, other: Self) -> Self:
        """Of both sets of values together."""
        return type(self)(counts=tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)))

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def around(self, share: float) -> tuple[float, float]:
        """Edges of bins between which the quantile of a share from 0 to 1 lies, with the two values that it is
        interpolated from. Raises ValueError for no values."""
        if not self.count:
            raise ValueError("no values have no quantile")
        before = math.floor(share * (self.count - 1))
        return _edge(self._place(before)), _edge(self._place(min(before + 1, self.count - 1)) + 1)

    def _place(self, rank: int) -> int:
        """The bin of the value of which so many are smaller."""
        return next(place for place, end in enumerate(accumulate(self.counts)) if rank < end)


def is_edge(value: float) -> bool:
    """Whether a bin begins or ends at a value."""
    if abs(value) > _LARGEST or float(np.float32(value)) != value:
        return False
    place = int(_places(np.asarray([value], dtype=np.float32) + np.float32(0))[0])
    return value in (_edge(place), _edge(place + 1))


def _places(values: np.ndarray) -> np.ndarray:
    """The bins of finite float32 values. Their bits, as whole numbers, grow with them; of negative ones backwards."""
    bits = values.reshape(-1).view(np.int32)
    keys = np.where(bits < 0, bits ^ _ALL_BUT_SIGN, bits)
    return (keys >> _SHIFT) + OCTAVE_BINS // 2


def _edge(place: int) -> float:
    """Where a bin begins: the way back from `_places`. The outermost bins end with the largest float32."""
    key = np.asarray([place - OCTAVE_BINS // 2], dtype=np.int32) << _SHIFT
    value = float(np.where(key < 0, key ^ _ALL_BUT_SIGN, key).astype(np.int32).view(np.float32)[0])
    return math.copysign(_LARGEST, value) if not math.isfinite(value) else value + 0.0
