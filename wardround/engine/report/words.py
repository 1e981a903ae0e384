"""What stands beside numbers: counts, orders, and words for scores that are not defined."""

from __future__ import annotations

from collections.abc import Iterable

LOSS = "loss"
UNDEFINED = "– undefined"
"""In a cell; what makes a score undefined is said in the table's caption."""


def counted(number: int, thing: str) -> str:
    """A number of things, as `1 case` or `2,000 cases`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def selecting_first(names: Iterable[str], select: str) -> tuple[str, ...]:
    """Names of scores as people look for them: the selecting metric, its classes, the others, and the loss last."""
    return tuple(sorted(names, key=lambda name: (name.partition(".")[0] != select, name == LOSS)))
