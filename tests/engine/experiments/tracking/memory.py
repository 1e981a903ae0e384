"""A tracker that keeps runs in memory, and fails when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from wardround.engine.experiments.tracking.known import Known
from wardround.engine.experiments.tracking.tracker import Described, Ending, Scalars


@dataclass
class Kept:
    """A run as it is kept.

    Attributes:
        values: what was added by step, each time.
        scores: what was concluded with, each time.
        endings: how it was closed, each time.
    """

    described: Described
    values: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    scores: list[dict[str, float]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        """Of all values."""
        return [step for step, _ in self.values]


class Memory:
    """What stands in for a server. `fails_at` are the numbers of calls of `add` that fail, from 1 on."""

    runs: dict[str, Kept] = {}  # noqa: RUF012
    fails_at: range = range(0)
    calls = 0

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ready(self, project: str) -> None:
        """Always."""

    def open(self, described: Described, known: str | None) -> MemoryRun:
        """By its number."""
        name = known or f"run-{len(Memory.runs)}"
        Memory.runs.setdefault(name, Kept(described))
        return MemoryRun(name)


class MemoryRun:
    """One run."""

    def __init__(self, name: str) -> None:
        self.id, self.last_step = name, 0

    def add(self, step: int, scalars: Scalars) -> None:
        """Keep it, unless it fails."""
        Memory.calls += 1
        if Memory.calls in Memory.fails_at:
            raise OSError(28, "no space is left\nfor anything")
        Memory.runs[self.id].values.append((step, dict(scalars)))

    def conclude(self, step: int, scalars: Scalars) -> None:
        """Keep them."""
        Memory.runs[self.id].scores.append(dict(scalars))

    def close(self, ending: Ending) -> None:
        """Keep it."""
        Memory.runs[self.id].endings.append(ending)


class Unready(Memory):
    """A server that nobody can reach."""

    def ready(self, project: str) -> None:
        """Never."""
        raise ConnectionError(f"no way to the server of {project}")


def known(name: str = "Memory", *needs: str) -> Known:
    """What the list of trackers says of one of this module."""
    return Known("The memory", needs, f"{__name__}:{name}")
