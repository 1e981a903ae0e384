"""How long to wait before something that failed is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MOST_DOUBLINGS = 64
"""Beyond these every pause is the longest one; without a bound the power would overflow after a long outage."""


@dataclass(frozen=True)
class Backoff:
    """Pauses that grow with each failure in a row, and vary, so that those who failed together do not return together.

    Attributes:
        first: seconds after the first failure.
        longest: seconds, of which no pause is longer before it is varied.
        growth: by which factor each pause is longer than the one before.
        spread: the lowest and the highest factor by which a pause is varied, drawn evenly.
    """

    first: float
    longest: float
    growth: float = 2.0
    spread: tuple[float, float] = (0.75, 1.25)

    def plain(self, failures: int) -> float:
        """Seconds after the n-th failure in a row, counted from 1, without variation."""
        longest = max(self.first, self.longest)
        return min(longest, self.first * self.growth ** min(max(0, failures - 1), _MOST_DOUBLINGS))

    def varied(self, failures: int, draws: random.Random) -> float:
        """`plain`, varied."""
        return self.plain(failures) * draws.uniform(*self.spread)
