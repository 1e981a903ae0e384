"""Trackers as a run goes on: each row once, whatever is interrupted, and a training that no tracker can end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import Field

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.printable import complain
from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.experiments.history import HistoryRow, scalars_of
from wardround.engine.experiments.run_record import naming
from wardround.engine.experiments.tracking.describing import described
from wardround.engine.experiments.tracking.known import OPTION, TRACKERS
from wardround.engine.experiments.tracking.tracker import Ending, Scalars, TrackedRun
from wardround.engine.study import Study
from wardround.engine.training import Halted

RECORD = "tracking.json"
_PATIENCE = 20
"""A tracker that failed is left alone for so many times as long as that took: waiting costs a twentieth at most."""
_LONGEST_REASON = 300


class Told(Closed):
    """What a tracker has been told of a run: the id by which it keeps it, the last step, and whether it has the scores
    of the chosen weights."""

    id: str | None = None
    step: int = 0
    is_concluded: bool = False


class Record(Closed):
    """`tracking.json` of a run's folder: how far each tracker is, by its name."""

    trackers: dict[str, Told] = Field(default_factory=dict)


@dataclass(frozen=True)
class Tracking:
    """Which trackers a training tells, and where those that keep files keep them.

    Attributes:
        names: of trackers that are installed.
        folder: the training's.
    """

    names: tuple[str, ...] = ()
    folder: Path = Path()

    def require_ready(self, project: str) -> None:
        """Raise `InputError` with each that is set up wrongly, or cannot be reached: now that costs nothing."""
        findings = Findings()
        for name in self.names:
            try:
                TRACKERS[name].make(self.folder).ready(project)
            except Exception as error:  # of which kind, only its library knows
                remedy = f"Mend its settings, or leave `{OPTION} {name}` out. Nothing was begun"
                what = f"{TRACKERS[name].title} cannot be told of this training"
                findings.problems.append(Problem(what, where=f"{OPTION} {name}", got=_reason(error), remedy=remedy))
        findings.raise_if_any()

    @contextmanager
    def following(self, folder: Path, study: Study, rows: Iterable[HistoryRow]) -> Iterator[Crowd]:
        """Tell the trackers of a study's run in a folder, which has these rows already; those that they lack are sent
        too. Raises `InputError` where the record of how far they are is damaged."""
        record = _read(folder / RECORD) if self.names else Record()
        openers = {name: partial(self._open, name, folder, study) for name in self.names}
        crowd = Crowd(folder, record, [_Follower(name, record, each) for name, each in openers.items()])
        for row in rows:
            crowd.expect(row)
        ending = Ending.FAILED
        try:
            yield crowd
            ending = Ending.FINISHED
        except (Halted, KeyboardInterrupt):
            ending = Ending.STOPPED
            raise
        finally:
            crowd.close(ending)

    def _open(self, name: str, folder: Path, study: Study, known: str | None) -> TrackedRun:
        return TRACKERS[name].make(self.folder).open(described(folder, study), known)


UNTRACKED = Tracking()


class Crowd:
    """The trackers of one run."""

    def __init__(self, folder: Path, record: Record, followers: Sequence[_Follower]) -> None:
        self._path, self._record, self._followers = folder / RECORD, record, followers

    def expect(self, row: HistoryRow) -> None:
        """A row that is sent with the next."""
        for follower in self._followers:
            follower.rows.append(row)

    def add(self, row: HistoryRow) -> None:
        """Send a row, and those that were not sent before it."""
        self.expect(row)
        self._send()

    def conclude(self, scores: Scalars) -> None:
        """Send the scores of the chosen weights, `validation` and `test`."""
        for follower in self._followers:
            follower.scores = scores
        self._send()

    def close(self, ending: Ending) -> None:
        """Say how the run ended; what could not be sent is told."""
        for follower in self._followers:
            follower.close(ending)
        self._keep()

    def _send(self) -> None:
        for follower in self._followers:
            follower.send()
        self._keep()

    def _keep(self) -> None:
        """Write down how far each is, where that has changed."""
        known = {**self._record.trackers, **{each.name: each.known for each in self._followers}}
        if known != self._record.trackers:
            self._record = Record(trackers=known)
            write_atomic(self._path, canonical_model(self._record))


class _Follower:
    """One tracker of one run."""

    def __init__(self, name: str, record: Record, opener: Callable[[str | None], TrackedRun]) -> None:
        self.name, self.known = name, record.trackers.get(name, Told())
        self.rows: list[HistoryRow] = []
        self.scores: Scalars | None = None
        self._opener = opener
        self._run: TrackedRun | None = None
        self._has_told, self._not_before = False, 0.0

    def send(self) -> None:
        """Send what is left, unless it has just failed."""
        if time.monotonic() >= self._not_before:
            self._guarded(self._send)

    def close(self, ending: Ending) -> None:
        """A last try, whenever the one before was."""
        self._guarded(self._send)
        if self._run is not None:
            run = self._run
            self._guarded(lambda: run.close(ending))
        left = [row.step for row in self.rows if row.step > self.known.step]
        if left:
            title = TRACKERS[self.name].title
            complain(f"note: {title} lacks the values from step {left[0]} on; the same command sends them")

    def _guarded(self, action: Callable[[], None]) -> None:
        began = time.monotonic()
        try:
            action()
        except Exception as error:  # of which kind, only its library knows; a training goes on whatever it is
            self._not_before = time.monotonic() + _PATIENCE * (time.monotonic() - began)
            self._tell(error)

    def _tell(self, error: Exception) -> None:
        if not self._has_told:
            self._has_told = True
            title = TRACKERS[self.name].title
            complain(f"note: {title} could not be told of this run ({_reason(error)}); the training goes on")

    def _send(self) -> None:
        left = [row for row in self.rows if row.step > self.known.step]
        ends = self.scores is not None and not self.known.is_concluded
        if not left and not ends:
            return
        run = self._opened()
        for row in left:
            if row.step > self.known.step:
                run.add(row.step, scalars_of(row))
                self._knows(step=row.step)
        if self.scores is not None and ends:
            run.conclude(self.known.step, self.scores)
            self._knows(is_concluded=True)

    def _opened(self) -> TrackedRun:
        if self._run is None:
            self._run = self._opener(self.known.id)
            self._knows(id=self._run.id, step=max(self.known.step, self._run.last_step))
        return self._run

    def _knows(self, **changes: object) -> None:
        self.known = self.known.model_copy(update=changes)


def _read(path: Path) -> Record:
    if not path.exists():
        return Record()
    with naming(path):
        return Record.model_validate_json(path.read_bytes())


def _reason(error: Exception) -> str:
    """What a library says, on one line."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON]} ..."
