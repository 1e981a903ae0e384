"""Ctrl-C and SIGTERM as a request to stop where nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
Handler = Callable[[int, FrameType | None], object]


@contextmanager
def interrupts() -> Iterator[None]:
    """While the block runs SIGTERM interrupts like Ctrl-C does, by `KeyboardInterrupt`."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handling(interrupt):
        yield


@contextmanager
def halting() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether a signal has come; a second one interrupts at once."""
    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    with _handling(request):
        yield requested.is_set


@contextmanager
def _handling(handler: Handler) -> Iterator[None]:
    # Python delivers signals to the main thread only; elsewhere (a site's worker, a test) nothing is replaced.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
