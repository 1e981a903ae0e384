"""Ctrl-C and SIGTERM as a request to stop where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Request:
    """A handler that keeps in mind that a signal has come.

    What a handler raises can be lost: Python ignores it where it is raised inside a finalizer or a callback of the
    garbage collector or the import system. So whoever asks later must still be told.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self.count = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        if self.count > self._patience:
            raise KeyboardInterrupt

    def has_come(self) -> bool:
        """Whether a signal has come."""
        return self.count > 0


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """While the block runs SIGTERM interrupts like Ctrl-C does, by `KeyboardInterrupt`.

    Yields a function that says whether a signal has come, for those who wait long: what was raised may have been lost.
    """
    request = _Request(patience=0)
    with _handling(request), unmasked(request.has_come):
        yield request.has_come


@contextmanager
def unmasked(has_come: Callable[[], bool]) -> Iterator[None]:
    """Make an interruption of an error of the block if a signal has come.

    An interruption may become something else on its way: Python makes a `RuntimeError` of what is raised while a class
    names its attributes, as most of the modules do that a run imports.
    """
    try:
        yield
    except Exception as error:
        if has_come():
            raise KeyboardInterrupt from error
        raise


@contextmanager
def halting() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal has come; a second one interrupts at once.

    One that came before, and was lost, counts. One that comes after the function was last asked interrupts at the end
    of the block. An error of the block after a signal is an interruption, as in `interrupts`.
    """
    request = _Request(patience=1)
    with _handling(request) as earlier, unmasked(request.has_come):
        request.count += earlier
        yield request.has_come
    if request.has_come():
        raise KeyboardInterrupt


@contextmanager
def _handling(request: _Request) -> Iterator[int]:
    """Let a request take the signals; yields how many of them have come to the one that it stands in for.

    That one hears afterwards of those that have come: what is raised on the way out of the block is judged by it.
    """
    # Python delivers signals to the main thread only; elsewhere (a site's worker, a test) nothing is replaced.
    if threading.current_thread() is not threading.main_thread():
        yield 0
        return
    before = {number: signal.signal(number, request) for number in _SIGNALS}
    earlier = [old for old in before.values() if isinstance(old, _Request)]
    try:
        yield max((old.count for old in earlier), default=0)
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        for old in earlier:
            old.count = max(old.count, request.count)
