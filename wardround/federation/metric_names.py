"""Names of metrics in files that people write: a slip of the pen would keep a score at home, or let nothing leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wardround.engine.basics.problems import did_you_mean
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study.located_problems import Flaw, flawed

LOSS = "loss"


def known_metrics(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each is that of a metric of this installation, or `loss`; for a model's validator.

    `dice.anterior` is the Dice of one class. Raises pydantic's ValidationError with each name that is not known.
    """
    flaws = list(unknown_metrics(names, (*builtin_and_plugins().names(Kind.METRIC), LOSS)))
    if flaws:
        raise flawed("metrics", flaws)
    return names


def unknown_metrics(names: Iterable[str], known: tuple[str, ...]) -> Iterator[Flaw]:
    """A flaw for each name that is none of the known ones; its location is its number in the list."""
    for index, name in enumerate(names):
        if name.split(".")[0] not in known:
            close = did_you_mean(name.split(".")[0], known)
            remedy = close if close.endswith("?") else "Write one of these, or take the name out"
            expected = f"one of {', '.join(known)}"
            yield Flaw((index,), f"unknown metric {name!r}", repr(name), expected, name, known, remedy)
