"""Polls that wait for mail: a request of an idle site is held until a message is posted, or for a while."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

LONGEST_HOLD = 6.0
"""Seconds; well below the silence after which a site counts as gone."""


class Mail:
    """Wakes the polls that are held for a site. `arrived` may be called from any thread, `wait` runs in the listener's.

    Args:
        has_mail: whether a message waits for a site.
    """

    def __init__(self, has_mail: Callable[[str], bool]) -> None:
        self._has_mail = has_mail
        self._lock = threading.Lock()
        self._held: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = {}

    def arrived(self, site: str) -> None:
        """A message was posted for this site, or its session ended."""
        with self._lock:
            held = tuple(self._held.get(site, ()))
        for loop, event in held:
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(event.set)

    async def wait(self, site: str, seconds: float) -> None:
        """Return when there is mail for this site, or after `seconds`."""
        hold = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._held.setdefault(site, set()).add(hold)
        try:
            if not self._has_mail(site):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(hold[1].wait(), min(seconds, LONGEST_HOLD))
        finally:
            with self._lock:
                self._held[site].discard(hold)
