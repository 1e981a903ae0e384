"""How many values lie in each of many equal bins, between two ends that everybody knows beforehand."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from wardround.engine.basics.blocks import blocks
from wardround.engine.basics.closed import Closed

MOST_BINS = 1 << 16
Count = Annotated[int, Field(ge=0)]


class Histogram(Closed):
    """Counts of values in equal bins from `low` to `high`; the last bin holds `high` itself.

    Attributes:
        low: where the first bin begins.
        high: where the last bin ends.
        counts: values of each bin.
        below: values under `low`.
        above: values over `high`.
    """

    kind: Literal["histogram"] = "histogram"
    low: FiniteFloat
    high: FiniteFloat
    counts: tuple[Count, ...] = Field(min_length=1, max_length=MOST_BINS)
    below: Count = 0
    above: Count = 0

    @model_validator(mode="after")
    def _has_bins(self) -> Self:
        if not (self.low < self.high and math.isfinite(self.high - self.low)):
            raise ValueError("the bins have no width")
        return self

    @classmethod
    def empty(cls, low: float, high: float, bins: int) -> Self:
        """One without values."""
        return cls(low=low, high=high, counts=(0,) * bins)

    @classmethod
    def of(cls, values: np.ndarray, low: float, high: float, bins: int) -> Self:
        """Of finite values of any shape. Where a value belongs depends on nothing but itself and the bins.

        Raises ValueError for values that are not finite.
        """
        found, below, above = np.zeros(bins, dtype=np.int64), 0, 0
        for block in blocks(np.ascontiguousarray(values)):
            wide = block.astype(np.float64)
            if not np.isfinite(wide).all():
                raise ValueError("only finite values are counted")
            below += int(np.count_nonzero(wide < low))
            above += int(np.count_nonzero(wide > high))
            inside = wide[(wide >= low) & (wide <= high)]
            places = ((inside - low) / (high - low) * bins).astype(np.int64)
            found += np.bincount(np.minimum(places, bins - 1), minlength=bins)
        return cls(low=low, high=high, counts=tuple(found.tolist()), below=below, above=above)

    def merge(self, other: Self) -> Self:
        """Of both sets of values together. Raises ValueError where the bins differ."""
        if self.bins != other.bins:
            raise ValueError(f"bins {self.bins} and {other.bins} cannot be added")
        return type(self)(
            low=self.low,
            high=self.high,
            counts=tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)),
            below=self.below + other.below,
            above=self.above + other.above,
        )

    @property
    def bins(self) -> tuple[float, float, int]:
        """Where the bins begin and end, and how many there are: alike in all that are merged."""
        return (self.low, self.high, len(self.counts))

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.below + sum(self.counts) + self.above

    @property
    def width(self) -> float:
        """Of a bin."""
        return (self.high - self.low) / len(self.counts)

    def quantile(self, share: float) -> float:
        """The value below which `share` of the values lie, from 0 to 1: within a bin's width of numpy's `quantile`.

        What lies outside the bins counts as lying at their ends. Raises ValueError for no values.
        """
        if not self.count:
            raise ValueError("no values have no quantile")
        rank = share * (self.count - 1)
        before = math.floor(rank)
        low, high = (self._at(min(place, self.count - 1)) for place in (before, before + 1))
        return low + (high - low) * (rank - before)

    def _at(self, rank: int) -> float:
        """About the value of which so many are smaller: within its bin, at its place among those of the bin."""
        rank -= self.below
        if rank < 0:
            return self.low
        for place, end in enumerate(accumulate(self.counts)):
            if rank < end:
                inside = (rank - end + self.counts[place] + 0.5) / self.counts[place]
                return self.low + (place + inside) * self.width
        return self.high
