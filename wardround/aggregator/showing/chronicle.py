"""Keeps the history's files up to the last round. They are appended to, so that a thousand rounds cost as many lines.

A model's line is whole once the next round has scored it. What is before the last line is therefore never written
again, unless the rounds themselves are others than before: after a restart, or when one was undone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.showing.history import (
    HistoryRow,
    csv_head,
    csv_lines,
    history_jsonl,
    metric_names,
    rows_from,
    settled_rows,
)
from wardround.engine.basics.files import fsync_folder, write_atomic


class GrowingFile:
    """A file whose end changes. In each process it is made anew once, unless it holds the right bytes already.

    A crash in the middle of `extend` may leave half a line, which the next process's `begin` puts right.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settled = 0

    def begin(self, settled: bytes, tail: bytes) -> None:
        """Have these bytes in the file; `tail` is what may still change."""
        if not self._path.exists() or self._path.read_bytes() != settled + tail:
            write_atomic(self._path, settled + tail)
        self._settled = len(settled)

    def extend(self, settled: bytes, tail: bytes) -> None:
        """Put these bytes in place of the former tail."""
        with self._path.open("r+b") as handle:
            handle.seek(self._settled)
            handle.write(settled + tail)
            handle.truncate()
            handle.flush()
            os.fsync(handle.fileno())
        self._settled += len(settled)


class Chronicle:
    """`history.jsonl` and `history.csv` under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jsonl = GrowingFile(folder / "history.jsonl")
        self._csv = GrowingFile(folder / "history.csv")
        self._results: tuple[RoundResult, ...] = ()
        self._names: frozenset[str] = frozenset()
        self._rows: list[HistoryRow] = []

    def update(self, results: tuple[RoundResult, ...]) -> int:
        """Bring the files up to these rounds; the place of the first row that has changed."""
        first = settled_rows(self._results) if self._goes_on_with(results) else 0
        self._rows[first:] = rows_from(results, first)
        self._results = results
        settled = settled_rows(results)
        names = self._names | metric_names(self._rows[first:])
        if first == 0 or not self._files_are_there():
            self._begin(metric_names(self._rows), settled)
        else:
            whole, tail = self._rows[first:settled], self._rows[settled:]
            self._jsonl.extend(history_jsonl(whole), history_jsonl(tail))
            self._extend_csv(names, first, settled)
        return first

    @property
    def rows(self) -> Sequence[HistoryRow]:
        """All rows."""
        return self._rows

    def _goes_on_with(self, results: tuple[RoundResult, ...]) -> bool:
        known = len(self._results)
        return 0 < known <= len(results) and results[known - 1] is self._results[-1]

    def _files_are_there(self) -> bool:
        return all((self._folder / name).exists() for name in ("history.jsonl", "history.csv"))

    def _begin(self, names: frozenset[str], settled: int) -> None:
        whole, tail = self._rows[:settled], self._rows[settled:]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._jsonl.begin(history_jsonl(whole), history_jsonl(tail))
        self._begin_csv(names, settled)
        fsync_folder(self._folder)

    def _begin_csv(self, names: frozenset[str], settled: int) -> None:
        whole, tail = self._rows[:settled], self._rows[settled:]
        self._csv.begin(csv_head(names) + csv_lines(whole, names), csv_lines(tail, names))
        self._names = names

    def _extend_csv(self, names: frozenset[str], first: int, settled: int) -> None:
        """A metric that was not there before is a new column: then all lines are made anew."""
        if names != self._names:
            self._begin_csv(names, settled)
            return
        whole, tail = self._rows[first:settled], self._rows[settled:]
        self._csv.extend(csv_lines(whole, names), csv_lines(tail, names))
