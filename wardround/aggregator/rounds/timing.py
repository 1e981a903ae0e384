"""The times of a round that outlive the process: when it began, and when each site was ready.

They are kept as wall time and read back into the process's own clock, which only ever grows. A wall clock that was
set back in between costs at most the time that had been counted; one that was set forward counts as time that passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import Field

from wardround.aggregator.rounds.records import DamagedRecordError, read_record, write_record
from wardround.federation.protocol import SiteName, WireModel


class Clock(Protocol):
    """A clock that only ever grows, and the wall's."""

    def now(self) -> float:
        """Seconds since some fixed moment of this process."""

    def wall(self) -> float:
        """Seconds since 1970, as far as the machine knows."""


class RoundTimes(WireModel):
    """Wall times of a round: when it began, and when each site first said that its cases are ready."""

    began: float
    ready: dict[SiteName, float] = Field(default_factory=dict)


@dataclass
class Stopwatch:
    """A round's times in the process's clock, in which it was `opened`.

    `path` is None where nothing depends on them.
    """

    path: Path | None
    began: float
    opened: float
    ready: dict[str, float] = field(default_factory=dict)
    wall_offset: float = 0.0

    @classmethod
    def start(cls, path: Path, clock: Clock) -> Stopwatch:
        """The times of a round that goes on, or begins now."""
        now, wall = clock.now(), clock.wall()
        try:
            kept = read_record(path, RoundTimes)
        except DamagedRecordError:
            kept = None  # they begin again
        if kept is None:
            kept = RoundTimes(began=wall)
            write_record(path, kept)
        ready = {site: now - max(0.0, wall - time) for site, time in kept.ready.items()}
        return cls(path, now - max(0.0, wall - kept.began), now, ready, wall - now)

    def note(self, ready: Mapping[str, float]) -> None:
        """Keep who is ready since when, if anybody is new."""
        new = {site: time for site, time in ready.items() if site not in self.ready}
        if not new:
            return
        self.ready.update(new)
        if self.path is not None:
            walls = {site: time + self.wall_offset for site, time in self.ready.items()}
            write_record(self.path, RoundTimes(began=self.began + self.wall_offset, ready=walls))

    def forget(self) -> None:
        """The round was stopped, and counts anew when it is taken up again."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
