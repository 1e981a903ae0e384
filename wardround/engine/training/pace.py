"""When a loop saves itself: often enough to lose little, seldom enough to cost little."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHARE = 0.05
"""Of the time, what checkpoints may cost."""
GRACE = 3.0
"""Seconds that checkpoints may cost beyond that: short runs are always saved."""


@dataclass
class Pace:
    """The cost of a run's checkpoints so far, against its time. One for all the pieces of a run.

    The next checkpoint is reckoned to cost what the last one did.
    """

    clock: Callable[[], float] = time.monotonic
    _began: float = field(init=False)
    _saved_at: float = field(init=False)
    _spent: float = 0.0
    _last: float = 0.0

    def __post_init__(self) -> None:
        self._began = self._saved_at = self.clock()

    @property
    def affordable(self) -> bool:
        """Whether all checkpoints, one made now included, stay within their share of the time."""
        elapsed = self.clock() - self._began + self._last
        return self._spent + self._last <= SHARE * elapsed + GRACE

    def is_due(self, every: float, at_most: float | None) -> bool:
        """Whether `every` seconds have passed and a checkpoint is affordable, or `at_most` seconds in any case."""
        since = self.clock() - self._saved_at
        return (at_most is not None and since >= at_most) or (since >= every and self.affordable)

    def saved(self, began: float) -> None:
        """A checkpoint that began at that time of the clock is durable."""
        self._saved_at = self.clock()
        self._last = self._saved_at - began
        self._spent += self._last
