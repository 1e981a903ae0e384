"""Where percentiles of single cases lie between the outermost two of them, on average."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from wardround.engine.basics.closed import Closed
from wardround.engine.summaries.exact import Dyadic


class Landmarks(Closed):
    """Exact sums over cases of landmarks on a scale from 0, the first one of each case, to 100, its last one."""

    LARGEST: ClassVar[int] = 100
    kind: Literal["landmarks"] = "landmarks"
    count: Annotated[int, Field(ge=0)] = 0
    totals: tuple[Dyadic, ...] = Field(min_length=2, max_length=101)

    @model_validator(mode="after")
    def _of_cases(self) -> Self:
        sums = [total.fraction for total in self.totals]
        if sums[0] != 0 or sums[-1] != self.LARGEST * self.count or any(one > other for one, other in pairwise(sums)):
            raise ValueError("no cases have these landmarks")
        return self

    @classmethod
    def empty(cls, landmarks: int) -> Self:
        """Of no case."""
        return cls(totals=(Dyadic(),) * landmarks)

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Of one case whose landmarks do not fall, and differ. Raises ValueError for others."""
        spread = float(values[-1] - values[0])
        if not spread > 0:
            raise ValueError("landmarks that are all alike have no scale")
        # Single precision is sharper than any landmark, and keeps the sums short.
        scaled = ((values - values[0]) / spread * cls.LARGEST).astype(np.float32)
        ratios = [float(value).as_integer_ratio() for value in scaled]
        return cls(count=1, totals=tuple(Dyadic.of(above, below.bit_length() - 1) for above, below in ratios))

    def merge(self, other: Self) -> Self:
        """Of both sets of cases together. Raises ValueError for another number of landmarks."""
        if len(self.totals) != len(other.totals):
            raise ValueError(f"{len(self.totals)} and {len(other.totals)} landmarks cannot be added")
        totals = tuple(one + two for one, two in zip(self.totals, other.totals, strict=True))
        return type(self)(count=self.count + other.count, totals=totals)

    @property
    def means(self) -> tuple[float, ...]:
        """The mean of each landmark, rounded once. Raises ValueError for no case."""
        if not self.count:
            raise ValueError("no cases have no landmarks")
        return tuple(float(total.fraction / self.count) for total in self.totals)
