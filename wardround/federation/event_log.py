"""The one log of events: a line of JSON each, on disk before the work goes on; a full file is set aside."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.files import Rotation, append_durably, read_json_lines, rotate, rotated_files
from wardround.engine.basics.printable import json_text

ROTATION = Rotation()
"""When a log begins a new file: nine files of 8 MiB at most."""


class DurableLog:
    """A file of events, and its files set aside as `<name>.1` and so on. Threads may share one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, content: Mapping[str, JsonValue]) -> None:
        """Write one event durably. Raises OSError."""
        with self._lock:
            rotate(self.path, ROTATION)
            append_durably(self.path, json_text(dict(content)))


def read_events(path: Path) -> Iterator[dict[str, JsonValue]]:
    """The events of a file with those set aside, oldest first. A line that a crash cut off is left out."""
    for file in rotated_files(path):
        yield from read_json_lines(file)


def time_now() -> str:
    """The time as events state it: UTC to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
