"""Reading ahead in a thread, so that the next batch is ready when the loop asks for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Protocol, Self

import torch

from wardround.engine.sampling.types import Batch

AHEAD = 2
_POLL_SECONDS = 0.1


class BatchSource(Protocol):
    """Gives the batch of any step, as a pure function of the step."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""


class Prefetcher:
    """The transformed batches of the steps from `start` up to, not including, `stop`, in order, two ahead.

    A thread reads, transforms and, where `pin_memory` is set, moves them to page-locked memory. What goes wrong there
    is raised where the batch is asked for, as the same exception with a note that names the step. Iterate once; leave
    the `with` block or call `close` to stop early.
    """

    def __init__(
        self,
        source: BatchSource,
        start: int,
        stop: int,
        transform: Callable[[Batch], Batch],
        *,
        pin_memory: bool = False,
    ) -> None:
        self._source, self._steps = source, range(start, stop)
        self._transform: Callable[[Batch], Batch] = transform
        self._finish: Callable[[Batch], Batch] = _pinned if pin_memory else _unchanged
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Batch]:
        try:
            for _ in self._steps:
                item = self._take()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.close()

    def close(self) -> None:
        """Stop the thread and wait for it. Batches that were read ahead are dropped."""
        self._stopping.set()
        self._thread.join()

    def _take(self) -> Batch | BaseException:
        while not self._stopping.is_set():
            try:
                return self._ready.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
        raise RuntimeError("these batches were closed or iterated before")

    def _work(self) -> None:
        for step in self._steps:
            if not self._put(self._prepare(step)):
                return

    def _prepare(self, step: int) -> Batch | BaseException:
        try:
            return self._finish(self._transform(self._source.batch(step)))
        except BaseException as error:
            error.add_note(f"while preparing the batch of step {step}")
            return error

    def _put(self, item: Batch | BaseException) -> bool:
        """Hand over one item; False once nobody will ask for more."""
        while not self._stopping.is_set():
            try:
                self._ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return not isinstance(item, BaseException)
        return False


def _unchanged(batch: Batch) -> Batch:
    return batch


def _pinned(batch: Batch) -> Batch:
    return replace(batch, image=batch.image.pin_memory(), label=_pin(batch.label), target=_pin(batch.target))


def _pin(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.pin_memory()
