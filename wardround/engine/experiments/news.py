"""What the process that trains one split tells the one that waits for it: a line of JSON each."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pydantic import TypeAdapter

from wardround.engine.basics.problems import Problem
from wardround.engine.basics.progress import SILENT, Progress, progress

_PAUSE_SECONDS = 0.1
"""Between two lines of progress: steps may take less than a millisecond."""


@dataclass(frozen=True)
class News:
    """Where a split's training stands, or why it has ended.

    Attributes:
        done: steps that are done.
        note: what is shown beside them.
        problems: what was wrong; none while nothing is.
    """

    done: int = 0
    note: str = ""
    problems: tuple[Problem, ...] = ()

    @classmethod
    def from_json(cls, line: bytes) -> News:
        """What a `Teller` wrote."""
        return _NEWS.validate_json(line)


_NEWS = TypeAdapter(News)


class Teller:
    """Writes news where the process that waits reads them: its standard output, which nobody else writes to from then
    on. What libraries print goes where errors go."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._last, self._lines = file, 0.0, SILENT

    @classmethod
    def of_this_process(cls) -> Teller:
        """Take this process's standard output."""
        file = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        return cls(file)

    def advance(self, done: int, note: str = "") -> None:
        """So many steps are done."""
        self._lines.advance(done, note)
        now = time.monotonic()
        if now - self._last >= _PAUSE_SECONDS:
            self._last = now
            self._tell(News(done, note))

    def problems(self, problems: Sequence[Problem]) -> None:
        """What keeps this process from going on."""
        self._tell(News(problems=tuple(problems)))

    @contextlib.contextmanager
    def show(self, title: str, total: int) -> Iterator[Progress]:
        """Progress of one split, for whoever waits and for the log."""
        with progress(title, total) as self._lines:
            yield self

    def _tell(self, news: News) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody waits any more, which a signal is about to say
            self._file.write(_NEWS.dump_json(news) + b"\n")
            self._file.flush()
