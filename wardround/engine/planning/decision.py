"""One decision of a plan, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Value = TypeVar("Value", covariant=True)


@dataclass(frozen=True)
class Decision(Generic[Value]):
    """What a rule decides, and why, in a sentence or two without a full stop at the end."""

    value: Value
    reason: str


@dataclass(frozen=True)
class Budget:
    """What a plan may count on.

    Attributes:
        memory: bytes that a step of training may take.
        steps: how long a training is.
    """

    memory: int
    steps: int

    @property
    def is_long(self) -> bool:
        """Whether a training is so long that strong augmentation and slow optimisers pay."""
        return self.steps >= 20_000
