"""What a strategy is: frozen parameters, and a fold over the replies of one round in roster order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Folded:
    """What a round leaves behind.

    Attributes:
        model: the new global arrays, named and typed as the base's.
        state: what the strategy itself carries to the next round, by name; empty for those that carry nothing.
    """

    model: Arrays
    state: Arrays


class Fold(Protocol):
    """One round's aggregation under way. Replies come one by one, so that memory does not grow with their number."""

    def add(self, update: Arrays, weight: int) -> None:
        """Take in one site's arrays, whose names, shapes and types have been checked, with its number of cases."""

    def finish(self) -> Folded:
        """The result. Raises ValueError when nothing was added."""


class Strategy(Protocol):
    """Starts folds. Holds parameters only: what changes from round to round is passed in and handed back."""

    def begin(self, base: Arrays, state: Arrays) -> Fold:
        """Start to fold a round whose sites were sent `base`; `state` is what the last round's fold handed back."""
