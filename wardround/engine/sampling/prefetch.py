"""Reading ahead in a thread, so that the next batch is ready when the loop asks for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from wardround.engine.sampling.batch import Batch

AHEAD = 2
_POLL_SECONDS = 0.1

Item = TypeVar("Item")


class BatchSource(Protocol):
    """Gives the batch of any step, as a pure function of the step."""

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0."""


class Prefetcher(Generic[Item]):
    """What `transform` makes of the batches of steps, in order, from `start` up to, not including, `stop`.

    A thread reads and transforms them, two ahead. What goes wrong there is raised where the batch is asked for, as the
    same exception with a note that names the step. Iterate once; leave the `with` block or call `close` to stop early.
    """

    def __init__(self, source: BatchSource, start: int, stop: int, transform: Callable[[Batch], Item]) -> None:
        self._source, self._steps = source, range(start, stop)
        self._transform: Callable[[Batch], Item] = transform
        self._ready: queue.Queue[Item | BaseException] = queue.Queue(AHEAD)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prefetch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Item]:
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

    def _take(self) -> Item | BaseException:
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

    def _prepare(self, step: int) -> Item | BaseException:
        try:
            return self._transform(self._source.batch(step))
        except BaseException as error:
            error.add_note(f"while preparing the batch of step {step}")
            return error

    def _put(self, item: Item | BaseException) -> bool:
        """Hand over one item; False once nobody will ask for more."""
        while not self._stopping.is_set():
            try:
                self._ready.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return not isinstance(item, BaseException)
        return False
