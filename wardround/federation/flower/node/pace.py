"""How soon a site that has nothing to do asks again.

The link holds a poll until there is a message. If it does not, the site slows down by itself. Pauses are drawn, so that
no two sites keep time with each other.
"""

from __future__ import annotations

import random

from wardround.engine.basics.backoff import Backoff

_HELD_SECONDS = 1.0
_SLOWEST_SECONDS = 2.0
_GROWTH = 1.5
_JITTER = 0.25


class Pace:
    """The pause between polls.

    Args:
        quickest: first pause after a message, in seconds.
    """

    def __init__(self, quickest: float) -> None:
        self._quickest = quickest
        self._idle = 0
        self._backoff = Backoff(quickest, _SLOWEST_SECONDS, _GROWTH, (1 - _JITTER, 1 + _JITTER))
        self._random = random.Random()

    def busy(self) -> None:
        """A message came: the next may follow soon."""
        self._idle = 0

    def idle(self, took: float) -> float:
        """Pause after a poll that brought nothing and took `took` seconds."""
        if took >= _HELD_SECONDS:
            return self._random.uniform(0.0, min(self._quickest, _JITTER))
        self._idle += 1
        return self._backoff.varied(self._idle, self._random)
