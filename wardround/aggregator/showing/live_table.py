"""What the coordinator sees while a run goes on: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.showing.estimate import headline, seconds_left
from wardround.aggregator.showing.plain_words import sentence
from wardround.engine.basics.durations import duration
from wardround.engine.basics.loudness import is_quiet
from wardround.engine.basics.printable import printable, say
from wardround.federation.event_log import Entry

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_COLOURS = {
    SiteState.WORKING: "cyan",
    SiteState.LATE: "yellow",
    SiteState.OFFLINE: "bright_black",
    SiteState.TROUBLE: "magenta",
    SiteState.DECLINED: "red",
    SiteState.DONE: "green",
}


_STATE = 1
"""The cell that is coloured."""


@dataclass(frozen=True)
class Watched:
    """What a view looks at: the loop, and how long ago the link heard a site."""

    loop: RoundLoop
    seconds_since_seen: Callable[[str], float | None]


class View(Protocol):
    """Shows a run."""

    def tell(self, entry: Entry) -> None:
        """Something happened. Called from several threads, one at a time."""

    def watch(self, watched: Watched) -> None:
        """From now on there is a run to look at."""


class PlainView:
    """One line when something changes."""

    def tell(self, entry: Entry) -> None:
        """Print the event's line, if it has one."""
        if (line := sentence(entry)) and not is_quiet():
            say(f"{entry.time[11:19]} {line}")

    def watch(self, watched: Watched) -> None:
        """Lines need nothing to look at."""


class LiveView:
    """A table that is redrawn in place; events that people want to keep scroll past above it."""

    _TABLE_SHOWS = frozenset({Event.WAITING, Event.REPLY_STORED, Event.ROUND_STARTED, Event.SITE_TROUBLE})

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._watched: Watched | None = None
        self._console = Console()
        self.live = Live(get_renderable=self.render, console=self._console, refresh_per_second=4)

    def tell(self, entry: Entry) -> None:
        """Print the event's line above the table, unless the table says the same."""
        line = sentence(entry)
        if line and entry.event not in self._TABLE_SHOWS:
            self._console.print(f"{entry.time[11:19]} {line}", markup=False, highlight=False)

    def watch(self, watched: Watched) -> None:
        """Look at this run."""
        self._watched = watched

    def render(self) -> RenderableType:
        """The picture of this moment."""
        from rich.console import Group
        from rich.text import Text

        if self._watched is None or self._watched.loop.gathering is None:
            return Text("starting", style="bright_black")
        return Group(Text(overview(self._watched.loop), style="bold"), site_table(self._watched))


def overview(loop: RoundLoop) -> str:
    """The head line: the open round, what is done, the best score, and the time left in all."""
    run, gathering = loop.run_plan, loop.gathering
    rounds = run.plan.horizon.rounds
    elapsed = loop.clock.now() - gathering.started if gathering else 0.0
    left = seconds_left(loop.results, run.plan, rounds + run.final_evaluation, elapsed)
    head = headline(loop.results, rounds, loop.best(), run.study.validation.select)
    estimate = f", about {duration(left)} left" if left is not None else ""
    number = gathering.number if gathering else 1
    name = "final evaluation" if number > rounds else f"round {number} of {rounds}" if number else "survey of the cases"
    return f"{run.plan.federation}: {name}, {duration(elapsed)}; {head}{estimate}"


def site_table(watched: Watched) -> Table:
    """One line per site."""
    from rich.table import Table
    from rich.text import Text

    loop = watched.loop
    table = Table("site", "state", "since", "doing", "step", "left", "seen", "note", box=None, pad_edge=False)
    now = loop.clock.now()
    for status in loop.gathering.statuses(now) if loop.gathering else ():
        # As `Text` no cell is taken for markup.
        cells = [Text(printable(cell)) for cell in site_cells(status, now, watched.seconds_since_seen(status.site))]
        cells[_STATE].stylize(_COLOURS[status.state])
        table.add_row(*cells)
    return table


def site_cells(status: SiteStatus, now: float, silent: float | None) -> list[str]:
    """A site's line, cell by cell."""
    active = status.state in (SiteState.WORKING, SiteState.LATE)
    left = status.seconds_left
    if left is not None and status.heard is not None:
        left = max(0.0, left - (now - status.heard))
    return [
        status.site,
        status.state.value,
        duration(now - status.since),
        status.phase if active else "",
        f"{status.step} of {status.steps}" if active and status.steps else "",
        duration(left) if active else "",
        "never" if silent is None else f"{duration(silent)} ago",
        status.reason,
    ]


@contextmanager
def open_view() -> Iterator[View]:
    """The view that fits standard output."""
    if not sys.stdout.isatty():
        yield PlainView()
        return
    view = LiveView()
    with view.live:
        yield view
