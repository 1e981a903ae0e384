"""Whether a transfer gets on: patience is renewed by every piece that crosses the line for the first time."""

from __future__ import annotations

import threading
import time
from typing import Literal


class Progress:
    """How long to wait for an exchange, over all attempts at it. Thread-safe.

    A piece counts once in each direction, so that a peer that asks for the same one for ever gains no time by it.

    Args:
        patience: seconds to wait at first.
        renewal: seconds to wait from each piece on.
    """

    def __init__(self, patience: float, renewal: float) -> None:
        self._lock = threading.Lock()
        self._renewal = renewal
        self._seen: set[tuple[str, str]] = set()
        self._until = time.monotonic() + patience

    def note(self, direction: Literal["out", "in"], piece: str) -> None:
        """A piece has crossed the line."""
        with self._lock:
            if (direction, piece) not in self._seen:
                self._seen.add((direction, piece))
                self._until = max(self._until, time.monotonic() + self._renewal)

    def left(self) -> float:
        """Seconds that are left; none when this is not above 0."""
        with self._lock:
            return self._until - time.monotonic()
