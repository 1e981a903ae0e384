"""How a run ended."""

from __future__ import annotations

from dataclasses import dataclass

from wardround.engine.basics.problems import InputError
from wardround.federation.endings import EndReason


@dataclass(frozen=True)
class Outcome:
    """How a run ended, for people in `line`. `unwritten`: why its results are not on disk."""

    end: EndReason
    line: str
    unwritten: InputError | None = None

    @property
    def complete(self) -> bool:
        """Whether all rounds are done."""
        return self.end is EndReason.COMPLETE


def unwritten(error: Exception) -> InputError:
    """What to say when rounds are kept and something for people is not on disk."""
    return InputError.one(
        "the rounds are kept, but the results cannot be written",
        got=str(error) if isinstance(error, OSError | InputError) else f"{type(error).__name__}: {error}",
        remedy="Put that right, and start the same command again: it goes on where this left off",
    )
