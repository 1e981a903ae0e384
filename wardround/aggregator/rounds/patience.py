"""How long to wait for what, in seconds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from wardround.engine.basics.backoff import Backoff


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
        draws: from which the variation is drawn.
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
    draws: random.Random = field(default_factory=random.Random, compare=False)

    def retry(self, failures: int) -> float:
        """Delay after the n-th failure in a row, counted from 1."""
        spread = 1.0 - self.jitter, 1.0 + self.jitter
        return Backoff(self.first_retry, self.last_retry, spread=spread).varied(failures, self.draws)

    def persuasion(self, refusals: int) -> float:
        """Delay after the n-th refusal of a round, counted from 1."""
        return Backoff(self.persuade, self.last_persuade).plain(refusals)

    def for_transfer(self, size: int) -> float:
        """Time for an exchange in which up to `size` bytes cross the line."""
        return self.answer + size / self.bytes_per_second
