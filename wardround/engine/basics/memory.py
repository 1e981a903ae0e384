"""How much memory this process may still use, and a budget that several threads share. Imports no torch."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_BUILDERS_SHARE = 0.5
"""Of the memory that is available, what those may use together who build cases."""


def available_bytes() -> int:
    """Memory that can be had without swapping: what the system says, or what this container may still use."""
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    try:
        limit = int((_CGROUP / "memory.max").read_text())  # `max`, which is no number, where there is none
        used = int((_CGROUP / "memory.current").read_text())
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        return max(0, min(free, limit - used + int(cached.get("inactive_file", 0))))
    except (OSError, ValueError):
        return free


def builders_memory(sharing: int = 1) -> int:
    """Bytes that building cases may take in one process, of `sharing` that work at the same time."""
    return int(_BUILDERS_SHARE * available_bytes()) // sharing


class MemoryBudget:
    """Bytes that pieces of work reserve before they begin, so that together they stay within a limit.

    Who came first goes first: a big piece is not overtaken for ever by small ones. A piece larger than the limit runs
    alone.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used = 0
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, wanted: int) -> Iterator[None]:
        """Wait until `wanted` bytes fit, and hold them while the block runs."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._waiting[0] is ticket and self._fits(wanted))
            self._waiting.popleft()
            self._used += wanted
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._used -= wanted
                self._changed.notify_all()

    def _fits(self, wanted: int) -> bool:
        return self._used == 0 or self._used + wanted <= self.limit
