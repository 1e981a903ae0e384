"""The most memory that a process took, by kind."""

from __future__ import annotations

import threading
from pathlib import Path

_SAMPLE_SECONDS = 0.01


class MemoryWatch:
    """Samples this process's memory and keeps the most, in MB: `private` is its own, `mapped` are pages of files.

    The system takes the latter back when it needs them.
    """

    def __init__(self) -> None:
        self.private = self.mapped = 0.0
        self._stopped = threading.Event()
        self._sample()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Stop sampling."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        self.private = max(self.private, int(lines["RssAnon"].split()[0]) / 1000)
        self.mapped = max(self.mapped, int(lines["RssFile"].split()[0]) / 1000)
