"""Which samples of a batch a process takes, where several train one network together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """That of the process `rank` of `size`: each has as many samples of every batch, one behind the other."""

    rank: int = 0
    size: int = 1

    def of(self, samples: int) -> int:
        """How many of so many samples."""
        return samples // self.size

    def takes(self, place: int, batch: int) -> bool:
        """Whether it has the sample at a place, counted from 0 over batches of so many."""
        return place % batch * self.size // batch == self.rank


WHOLE = Share()
