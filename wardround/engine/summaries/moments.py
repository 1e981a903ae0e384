"""Number, mean and standard deviation of values."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from wardround.engine.basics.closed import Closed
from wardround.engine.summaries.exact import Dyadic, exact_sums


class Moments(Closed):
    """How many values there were, their exact sum and the exact sum of their squares."""

    kind: Literal["moments"] = "moments"
    count: Annotated[int, Field(ge=0)] = 0
    total: Dyadic = Dyadic()
    squares: Dyadic = Dyadic()

    @model_validator(mode="after")
    def _of_numbers(self) -> Self:
        # Cauchy and Schwarz: no numbers have other sums.
        if self.total.fraction**2 > self.count * self.squares.fraction or (not self.count and self.squares.numerator):
            raise ValueError("no values have these sums")
        return self

    @classmethod
    def of(cls, values: np.ndarray) -> Self:
        """Of finite values of any shape; raises ValueError for others."""
        total, squares = exact_sums(values)
        return cls(count=values.size, total=total, squares=squares)

    def merge(self, other: Self) -> Self:
        """Of both sets of values together."""
        return type(self)(
            count=self.count + other.count,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    @property
    def mean(self) -> float:
        """The arithmetic mean, rounded once. Raises ValueError for no values."""
        self._require_values()
        return float(self.total.fraction / self.count)

    @property
    def deviation(self) -> float:
        """The standard deviation of the values as a whole population. Raises ValueError for no values."""
        self._require_values()
        mean = self.total.fraction / self.count
        return math.sqrt(float(self.squares.fraction / self.count - mean * mean))

    def _require_values(self) -> None:
        if not self.count:
            raise ValueError("no values have no mean")
