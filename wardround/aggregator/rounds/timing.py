"""The times of a round that outlive the process: when it began, when each site was ready, or began to prepare.

They are kept as wall time and read back into the process's own clock, which only ever grows. A wall clock that was
set back in between costs at most the time that had been counted; one that was set forward counts as time that passed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from wardround.aggregator.rounds.records import DamagedRecordError, read_record, write_record
from wardround.engine.basics.closed import Added
from wardround.federation.protocol import SiteName, WireModel


class Clock(Protocol):
    """A clock that only ever grows, and the wall's."""

    def now(self) -> float:
        """Seconds since some fixed moment of this process."""

    def wall(self) -> float:
        """Seconds since 1970, as far as the machine knows."""


class RoundTimes(WireModel):
    """Wall times of a round.

    Attributes:
        began: when it began.
        ready: when each site first said that its cases are ready.
        preparing: since when those that are not ready say that they prepare them.
    """

    began: float
    ready: dict[SiteName, float] = Field(default_factory=dict)
    preparing: Annotated[dict[SiteName, float], Added("0.2.0")] = Field(default_factory=dict)


@dataclass(frozen=True)
class SiteTimes:
    """A site's times in a round, of a clock that the reader knows; None for what has not been."""

    ready: float | None = None
    preparing: float | None = None


@dataclass
class Stopwatch:
    """A round's times in the process's clock, in which it was `opened`.

    `path` is None where nothing depends on them.
    """

    path: Path | None
    began: float
    opened: float
    sites: dict[str, SiteTimes] = field(default_factory=dict)
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
        sites = {
            site: SiteTimes(*(None if time is None else now - max(0.0, wall - time) for time in times))
            for site in {**kept.ready, **kept.preparing}
            for times in [(kept.ready.get(site), kept.preparing.get(site))]
        }
        return cls(path, now - max(0.0, wall - kept.began), now, sites, wall - now)

    def of(self, site: str) -> SiteTimes:
        """The times of a site."""
        return self.sites.get(site, SiteTimes())

    def note(self, sites: Mapping[str, SiteTimes]) -> None:
        """Keep who is ready, or prepares, since when, if that is news."""
        known = {site: times for site, times in sites.items() if times != SiteTimes()}
        if known == self.sites:
            return
        self.sites = known
        if self.path is not None:
            write_record(self.path, self._record())

    def _record(self) -> RoundTimes:
        ready = {site: times.ready + self.wall_offset for site, times in self.sites.items() if times.ready is not None}
        preparing = {
            site: times.preparing + self.wall_offset
            for site, times in self.sites.items()
            if times.preparing is not None
        }
        return RoundTimes(began=self.began + self.wall_offset, ready=ready, preparing=preparing)

    def forget(self) -> None:
        """The round was stopped, and counts anew when it is taken up again."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
