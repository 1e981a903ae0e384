"""Which class was taken for which."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from wardround.engine.basics.blocks import counts as occurrences
from wardround.engine.basics.closed import Closed

Row = tuple[Annotated[int, Field(ge=0)], ...]


class Confusion(Closed):
    """`counts[truth][predicted]`: how many cases or voxels of each class were taken for each."""

    kind: Literal["confusion"] = "confusion"
    counts: tuple[Row, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_square(self) -> Self:
        if any(len(row) != len(self.counts) for row in self.counts):
            raise ValueError("there is one row and one column for each class")
        return self

    @classmethod
    def of(cls, truth: np.ndarray, predicted: np.ndarray, classes: int) -> Self:
        """Of indices of classes, two arrays of one shape. Raises ValueError for others."""
        if truth.shape != predicted.shape:
            raise ValueError(f"shapes {truth.shape} and {predicted.shape} differ")
        for indices in (truth, predicted):
            if indices.size and (indices.min() < 0 or indices.max() >= classes):
                raise ValueError(f"indices go from 0 to {classes - 1}")
        pairs = truth.astype(np.int64) * classes + predicted
        table = occurrences(pairs, classes * classes).reshape(classes, classes)
        return cls(counts=tuple(tuple(row) for row in table.tolist()))

    def merge(self, other: Self) -> Self:
        """Both together. Raises ValueError where the numbers of classes differ."""
        if len(self.counts) != len(other.counts):
            raise ValueError(f"{len(self.counts)} classes, and {len(other.counts)}")
        rows = zip(self.counts, other.counts, strict=True)
        return type(self)(
            counts=tuple(tuple(one + two for one, two in zip(mine, yours, strict=True)) for mine, yours in rows)
        )

    @property
    def total(self) -> int:
        """All that was looked at."""
        return sum(map(sum, self.counts))

    @property
    def correct(self) -> int:
        """What was taken for what it is."""
        return sum(row[index] for index, row in enumerate(self.counts))

    def dice(self, index: int) -> float | None:
        """Dice's coefficient of a class: 2 TP / (2 TP + FP + FN); None where neither truth nor prediction has it."""
        both = sum(self.counts[index]) + sum(row[index] for row in self.counts)
        return 2 * self.counts[index][index] / both if both else None
