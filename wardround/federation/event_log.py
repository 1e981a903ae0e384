"""The one log of events: a line of JSON each, on disk before the work goes on; a full file is set aside.

Each end has its own vocabulary of events, and a sentence for those that people want to read.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.files import Rotation, append_durably, read_json_lines, rotate, rotated_files
from wardround.engine.basics.printable import json_text, printable

ROTATION = Rotation()
"""When a log begins a new file: nine files of 8 MiB at most."""


@dataclass(frozen=True)
class Entry:
    """One recorded event. `role` says which process of a site it was; the aggregator has one, and names none."""

    time: str
    event: str
    facts: Mapping[str, JsonValue] = field(default_factory=dict)
    role: str = ""

    @property
    def content(self) -> dict[str, JsonValue]:
        """As it stands in the file."""
        who: dict[str, JsonValue] = {"role": self.role} if self.role else {}
        return {"time": self.time, **who, "event": self.event, **self.facts}

    @classmethod
    def of(cls, content: Mapping[str, JsonValue]) -> Entry:
        """The entry that stands in a file as `content`."""
        time, role, event = (str(content.get(key, "")) for key in ("time", "role", "event"))
        return cls(time, event, {key: fact for key, fact in content.items() if key not in _OWN_KEYS}, role)


_OWN_KEYS = frozenset({"time", "role", "event"})


class DurableLog:
    """A file of events, and its files set aside as `<name>.1` and so on. Threads may share one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def append(self, entry: Entry) -> None:
        """Write one event durably. Raises OSError."""
        with self._lock:
            rotate(self.path, ROTATION)
            append_durably(self.path, json_text(entry.content))


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries of a file with those set aside, oldest first. A line that a crash cut off is left out."""
    for file in rotated_files(path):
        yield from map(Entry.of, read_json_lines(file))


@dataclass(frozen=True)
class Sentences:
    """What each event is for people, as templates that are filled with its facts.

    Attributes:
        templates: by event; those that only programs want have none.
        unknown: what stands for a fact that an entry lacks, as when an earlier release wrote it.
    """

    templates: Mapping[str, str]
    unknown: str = "?"

    def of(self, entry: Entry) -> str:
        """An entry as a printable line, or an empty text."""
        template = self.templates.get(entry.event)
        if template is None:
            return ""
        return printable(template.format_map(_Facts(entry.facts, self.unknown)).replace("\n", " "))


class _Facts(dict[str, JsonValue]):
    """Facts for a sentence: what is unknown is said to be, and of a traceback its last line is enough."""

    def __init__(self, facts: Mapping[str, JsonValue], unknown: str) -> None:
        super().__init__(facts)
        self._unknown = _Unknown(unknown)

    def __getitem__(self, name: str) -> JsonValue:
        value = self.get(name)
        if isinstance(value, str) and value.startswith("Traceback"):
            return value.strip().splitlines()[-1]
        return self._unknown if value is None else value


def time_now() -> str:
    """The time as events state it: UTC to the millisecond."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


class _Unknown(str):
    """Words in the place of a fact, also where the sentence wants a number in some format."""

    def __format__(self, _: str) -> str:
        return str(self)
