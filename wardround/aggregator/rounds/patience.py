"""How long to wait for what, in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """Waiting times of a conversation.

    Attributes:
        pause: shortest time between two questions to a site that works.
        silence: a site that was not heard for this long is offline.
        first_retry: first delay after something went wrong; it doubles each time.
        last_retry: longest such delay.
        persuade: first delay before a site that declined is asked again, when nothing can follow without it.
        last_persuade: longest such delay; it doubles each time.
        jitter: part by which a delay varies at random, so that sites which failed together do not come back together.
        answer: for an answer, without the transfer of a model.
        bytes_per_second: of the slowest site's line.
    """

    pause: float = 1.0
    silence: float = 20.0
    first_retry: float = 1.0
    last_retry: float = 60.0
    persuade: float = 30.0
    last_persuade: float = 600.0
    jitter: float = 0.25
    answer: float = 60.0
    bytes_per_second: float = 64_000.0

    def retry(self, failures: int) -> float:
        """Delay after the n-th failure in a row, counted from 1."""
        return self._varied(min(self.last_retry, self.first_retry * 2.0 ** min(failures - 1, 16)))

    def persuasion(self, refusals: int) -> float:
        """Delay after the n-th refusal of a round, counted from 1."""
        return min(self.last_persuade, self.persuade * 2.0 ** min(refusals - 1, 16))

    def _varied(self, delay: float) -> float:
        return delay * random.uniform(1.0 - self.jitter, 1.0 + self.jitter)

    def for_transfer(self, size: int) -> float:
        """Time for an exchange in which up to `size` bytes cross the line."""
        return self.answer + size / self.bytes_per_second
