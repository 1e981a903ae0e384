"""How often each of several known things occurred."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field

from wardround.engine.basics.blocks import counts as occurrences
from wardround.engine.basics.closed import Closed


class Counts(Closed):
    """One count for each of several things, such as the classes of a study, in an order that everybody knows."""

    kind: Literal["counts"] = "counts"
    counts: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)

    @classmethod
    def of(cls, indices: np.ndarray, things: int) -> Self:
        """How often each index below `things` occurs among whole numbers; raises ValueError for any other."""
        if indices.size and (indices.min() < 0 or indices.max() >= things):
            raise ValueError(f"indices go from 0 to {things - 1}")
        return cls(counts=tuple(occurrences(indices, things).tolist()))

    def merge(self, other: Self) -> Self:
        """Both together. Raises ValueError where they count different numbers of things."""
        if len(self.counts) != len(other.counts):
            raise ValueError(f"{len(self.counts)} things are counted, and {len(other.counts)}")
        return type(self)(counts=tuple(one + two for one, two in zip(self.counts, other.counts, strict=True)))

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts)
