"""The least and the greatest value, told only where enough of them stand behind it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, FiniteFloat, model_validator

from wardround.engine.basics.closed import Closed


class Extremes(Closed):
    """The range of values.

    Attributes:
        count: how many patients, cases or values there are.
        least: of fewer than so many nothing is told.
        low: the least value of all who tell; None where nobody does.
        high: the greatest value of all who tell.
    """

    kind: Literal["extremes"] = "extremes"
    count: Annotated[int, Field(ge=0)] = 0
    least: Annotated[int, Field(ge=1)] = 1
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("a range has two ends")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError("the least value is above the greatest")
        if self.low is not None and self.count < self.least:
            raise ValueError(f"{self.count} are told of, and {self.least} are needed")
        return self

    @classmethod
    def of(cls, values: np.ndarray, count: int | None = None) -> Self:
        """Of finite values of any shape, which belong to `count` patients or cases: by default to one each.

        Raises ValueError for values that are not finite.
        """
        if not values.size:
            return cls()
        low, high = float(values.min()), float(values.max())
        # Two zeros are equal, and which of them stays would depend on the order.
        return cls(count=values.size if count is None else count, low=low + 0.0, high=high + 0.0)

    def told(self, least: int) -> Self:
        """The same where there are at least so many, and otherwise their number alone."""
        low, high = (self.low, self.high) if self.count >= least else (None, None)
        return type(self)(count=self.count, least=least, low=low, high=high)

    def merge(self, other: Self) -> Self:
        """The range of all who tell. Raises ValueError where the two follow different rules of telling."""
        if self.least != other.least:
            raise ValueError(f"one tells from {self.least}, the other from {other.least}")
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return type(self)(
            count=self.count + other.count,
            least=self.least,
            low=min(lows, default=None),
            high=max(highs, default=None),
        )
