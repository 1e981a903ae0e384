"""Where the worker's two threads meet: one answers the courier, one works. Nothing here is kept on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from wardround.site_client.between.faults import Retry
from wardround.site_client.between.socket import Ask, CohortReport, Fault, Phase, WorkerReport, WorkReport

_IDLE_SECONDS = 0.5


@dataclass(frozen=True)
class _Setback:
    """A fault of a piece of work, and from when on it may be tried again; None for never."""

    fault: Fault
    again_at: float | None


class SharedState:
    """The worker's shared state.

    A newer work key replaces an older one: the courier only passes on what the aggregator asks for now. A refusal is
    repeated while the process lives; after a fault that may pass the work is begun again when it is asked for, once the
    fault's pause is over.

    Args:
        is_finished: whether the result of a work key lies on disk.
        clock: seconds that only grow.
    """

    def __init__(self, is_finished: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_finished = is_finished
        self._clock = clock
        self._changed = threading.Condition()
        self._cohort: CohortReport | None = None
        self._fault: Fault | None = None
        self._wanted: str | None = None
        self._at_work: str | None = None
        self._progress = WorkReport(state="running")
        self._faults: dict[str, _Setback] = {}
        self._closed = False

    def answer(self, ask: Ask) -> WorkerReport:
        """What the courier is told."""
        with self._changed:
            if ask.do == "start" and ask.work_key is not None:
                self._want(ask.work_key)
            if ask.do == "wait" and ask.work_key is not None:
                key = ask.work_key
                self._changed.wait_for(lambda: self._closed or not self._is_running(key), ask.seconds)
            return self._report(ask.work_key)

    def open_for(self, cohort: CohortReport) -> None:
        """The cases are ready."""
        with self._changed:
            self._cohort, self._fault = cohort, None
            self._changed.notify_all()

    def broken(self, fault: Fault) -> None:
        """The cases cannot be used."""
        with self._changed:
            self._cohort, self._fault = None, fault
            self._changed.notify_all()

    def preparing(self) -> None:
        """The cases are being prepared, perhaps again: why they could not be used is said until they can."""
        with self._changed:
            self._cohort = None

    def resume(self, work_key: str) -> None:
        """Want work that an earlier process left unfinished, unless the courier wants other work by now."""
        with self._changed:
            if self._wanted is None:
                self._want(work_key)

    def next_work(self) -> str | None:
        """Wait for work; None after a moment without, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._wanted is not None, _IDLE_SECONDS)
            if self._closed or self._wanted is None:
                return None
            self._at_work, self._wanted = self._wanted, None
            self._progress = WorkReport(state="running")
            return self._at_work

    def progress(self, phase: Phase, step: int = 0, steps: int = 0, seconds_left: float | None = None) -> None:
        """How the work at hand stands."""
        with self._changed:
            self._progress = WorkReport(state="running", phase=phase, step=step, steps=steps, seconds_left=seconds_left)

    def must_halt(self) -> bool:
        """Whether the work at hand should stop: the process ends, or newer work has come."""
        return self._closed or self._wanted is not None

    def done(self) -> None:
        """The work at hand is finished, or given up for newer work."""
        with self._changed:
            self._at_work = None
            self._changed.notify_all()

    def failed(self, fault: Fault, retry: Retry) -> None:
        """The work at hand has failed."""
        with self._changed:
            if self._at_work is not None:
                again_at = None if retry.seconds is None else self._clock() + retry.seconds
                self._faults[self._at_work] = _Setback(fault, again_at)
            self._at_work = None
            self._changed.notify_all()

    def close(self) -> None:
        """Make every wait end soon. Safe in a signal handler's thread: it takes no lock."""
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _want(self, key: str) -> None:
        setback = self._faults.get(key)
        if setback is not None and setback.again_at is not None and setback.again_at <= self._clock():
            del self._faults[key]
            setback = None
        if setback is None and key not in (self._at_work, self._wanted) and not self._is_finished(key):
            self._wanted = key
            self._changed.notify_all()

    def _is_running(self, key: str) -> bool:
        return key in (self._at_work, self._wanted)

    def _report(self, key: str | None) -> WorkerReport:
        readiness = "broken" if self._fault is not None else "ready" if self._cohort is not None else "preparing"
        work = None if key is None else self._work(key)
        return WorkerReport.model_validate(
            {"readiness": readiness, "cohort": self._cohort, "fault": self._fault, "work": work}
        )

    def _work(self, key: str) -> WorkReport:
        if key == self._at_work:
            return self._progress
        if key == self._wanted:
            return WorkReport(state="running", phase="queued")
        if self._is_finished(key):
            return WorkReport(state="finished")
        if key in self._faults:
            return WorkReport(state="refused", fault=self._faults[key].fault)
        return WorkReport(state="unknown")


class Pace:
    """Estimates the time left from the steps that this process has run."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._first = 0

    def seconds_left(self, done: int, total: int) -> float | None:
        """Seconds for the rest of `total` steps, or None before the second step."""
        now = time.monotonic()
        if self._began is None:
            self._began, self._first = now, done
            return None
        passed = done - self._first
        return round((now - self._began) / passed * (total - done), 1) if passed > 0 else None
