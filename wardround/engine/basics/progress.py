"""Progress that people can read: a bar with an estimate on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.loudness import is_quiet
from wardround.engine.basics.printable import complain, printable


class Progress(Protocol):
    """What long-running work tells whoever watches."""

    def advance(self, done: int, note: str = "") -> None:
        """`done` of the announced total units are finished; `note` is shown beside it."""


class Silent:
    """Progress that nobody watches."""

    def advance(self, done: int, note: str = "") -> None:
        """Ignore the step."""


SILENT: Progress = Silent()


class _Lines:
    """At most one plain line every two seconds, with the time left."""

    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._start = self._last = time.monotonic()
        self._first: int | None = None

    def advance(self, done: int, note: str = "") -> None:
        """Print a line if two seconds have passed since the last one."""
        now = time.monotonic()
        if self._first is None:
            self._first = done - 1  # what goes on begins in the middle: what an earlier process did took no time here
        if now - self._last < 2 or done <= self._first:
            return
        self._last = now
        left = (now - self._start) / (done - self._first) * (self._total - done)
        complain(f"{self._title}: {done}/{self._total}, about {estimated_duration(left)} left {note}".rstrip())


class _Bar:
    """A rich progress bar."""

    def __init__(self, title: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        title_column, note_column = (
            TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[note]}")
        )
        columns = (title_column, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), note_column)
        self.bar = RichProgress(*columns, console=Console(stderr=True))
        self._task = self.bar.add_task(printable(title), total=total, note="")

    def advance(self, done: int, note: str = "") -> None:
        """Move the bar to `done`."""
        self.bar.update(self._task, completed=done, note=printable(note))


@contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """Show progress on standard error while the block runs."""
    if is_quiet():
        yield SILENT
        return
    if not sys.stderr.isatty():
        yield _Lines(title, total)
        return
    shown = _Bar(title, total)
    with shown.bar:
        yield shown
