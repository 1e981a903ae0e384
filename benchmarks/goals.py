"""What a measurement should come to, and which goals it misses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MISSED = "missed: "
"""How a line begins that `python -m benchmarks` repeats at its end."""


@dataclass(frozen=True)
class Goal:
    """A figure, and the bounds that it should keep.

    Attributes:
        what: the figure in words.
        found: its value.
        least, most: of a value that is good enough.
    """

    what: str
    found: float
    least: float = -math.inf
    most: float = math.inf

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bounds; NaN does not."""
        return self.least <= self.found <= self.most

    def render(self) -> str:
        """The figure with its bounds."""
        bounds = [f"{word} {bound:g}" for word, bound in (("at least", self.least), ("at most", self.most))]
        told = " and ".join(text for text, bound in zip(bounds, (self.least, self.most), strict=True) if _is_set(bound))
        return f"{self.what} {self.found:.2f} (goal: {told})"


def _is_set(bound: float) -> bool:
    return not math.isinf(bound)


def verdict(goals: Iterable[Goal]) -> int:
    """Print every goal that is missed, each on a line; the exit code: 1 where there is one."""
    missed = [goal for goal in goals if not goal.holds]
    for goal in missed:
        print(f"{MISSED}{goal.render()}", flush=True)
    return 1 if missed else 0
