"""Runs a few transfers at a time on threads that never keep a process from ending."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Result = TypeVar("Result")

_CHECK_SECONDS = 0.1
_PATIENCE_SECONDS = 1.0


class AbandonedError(Exception):
    """The caller was asked to stop while transfers were under way."""


@dataclass(frozen=True)
class _Finished(Generic[Result]):
    index: int
    result: Result | None
    error: Exception | None


def in_parallel(
    jobs: Sequence[Callable[[], Result]], workers: int, stop: threading.Event, patience: float = _PATIENCE_SECONDS
) -> list[Result]:
    """Run all jobs, at most `workers` at a time, and give their results in the order of the jobs.

    Raises:
        AbandonedError: `stop` was set and `patience` seconds more were not enough. Jobs under way end by their own
            limits.
        Exception: the first error of a job; no further job is started.
    """
    waiting: queue.SimpleQueue[tuple[int, Callable[[], Result]]] = queue.SimpleQueue()
    finished: queue.SimpleQueue[_Finished[Result]] = queue.SimpleQueue()
    halted = threading.Event()
    for numbered in enumerate(jobs):
        waiting.put(numbered)
    for _ in range(min(workers, len(jobs))):
        threading.Thread(target=_work, args=(waiting, finished, halted), daemon=True).start()
    try:
        return _gather(len(jobs), finished, stop, patience)
    finally:
        halted.set()


def _work(
    waiting: queue.SimpleQueue[tuple[int, Callable[[], Result]]],
    finished: queue.SimpleQueue[_Finished[Result]],
    halted: threading.Event,
) -> None:
    while not halted.is_set():
        try:
            index, job = waiting.get_nowait()
        except queue.Empty:
            return
        try:
            finished.put(_Finished(index, job(), None))
        except Exception as error:  # handed to the caller, who raises it
            finished.put(_Finished(index, None, error))


def _gather(
    count: int, finished: queue.SimpleQueue[_Finished[Result]], stop: threading.Event, patience: float
) -> list[Result]:
    results: dict[int, Result] = {}
    while len(results) < count:
        if stop.is_set():
            patience -= _CHECK_SECONDS
        if patience < 0:
            raise AbandonedError("asked to stop during a transfer")
        try:
            done = finished.get(timeout=_CHECK_SECONDS)
        except queue.Empty:
            continue
        if done.error is not None:
            raise done.error
        results[done.index] = done.result  # type: ignore[assignment]
    return [results[index] for index in range(count)]
