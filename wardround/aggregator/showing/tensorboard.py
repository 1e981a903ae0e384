"""TensorBoard scalars of a run, written as rounds are committed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from wardround.aggregator.showing.event_file import EventFile
from wardround.aggregator.showing.history import HistoryRow
from wardround.engine.basics.canonical import canonical_json
from wardround.engine.basics.files import append_durably, read_json_lines, write_atomic

Scalar = tuple[str, int, float]


class Scalars:
    """A TensorBoard log under `folder`. A process that resumes goes on after the rows that were whole before.

    `written.jsonl` beside it has a line for each of them. A row that was written half is written again: TensorBoard is
    told to forget that round of the older files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: EventFile | None = None
        self._written: set[tuple[str, int]] = set()
        self._models: list[str] | None = None
        self._forget = 0

    def write(self, rows: Sequence[HistoryRow], settled: int = 0) -> None:
        """Write what is new in these rows, of which those below `settled` will not change any more.

        Raises:
            OSError: the disk takes no more; the next call must bring all rows again.
        """
        try:
            self._write(rows, settled)
        except OSError:
            self._begin_anew()
            raise

    def close(self) -> None:
        """Close the file. Raises OSError for what the disk did not take."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, rows: Sequence[HistoryRow], settled: int) -> None:
        if self._models is None:
            self._models = self._resume(rows)
            self._forget = len(self._models)
        known = {row.round for row in rows if row.round < len(self._models)}
        for tag, step, value in scalars_of([row for row in rows if row.round not in known]):
            if (tag, step) not in self._written:
                self._open().add(tag, value, step)
                self._written.add((tag, step))
        self._settle([row for row in rows if len(self._models) <= row.round < settled])

    def _begin_anew(self) -> None:
        """How far the file came is not known: go on in another one, after what is marked as written."""
        writer, self._writer = self._writer, None
        self._models, self._written = None, set()
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()

    def _resume(self, rows: Sequence[HistoryRow]) -> list[str]:
        """Models of the rows that are in the log already, as far as they are those of this history."""
        wrote = [str(line.get("model")) for line in read_json_lines(self._marks)]
        same = takewhile(lambda pair: pair[0] == pair[1].model, zip(wrote, rows, strict=False))
        models = [model for model, _ in same]
        if len(models) < len(wrote):
            write_atomic(self._marks, b"".join(_mark(model) for model in models))
        return models

    def _settle(self, rows: Sequence[HistoryRow]) -> None:
        """Have everything on disk, then note which rows are whole."""
        if self._writer is not None:
            self._writer.flush()
        for row in rows:
            append_durably(self._marks, _mark(row.model).decode().rstrip("\n"))
            self._written = {(tag, step) for tag, step in self._written if step > row.round}
        if self._models is not None:
            self._models += [row.model for row in rows]

    @property
    def _marks(self) -> Path:
        return self._folder / "written.jsonl"

    def _open(self) -> EventFile:
        if self._writer is None:
            self._writer = EventFile(self._folder, self._forget)
        return self._writer


def _mark(model: str) -> bytes:
    return canonical_json({"model": model}) + b"\n"


def scalars_of(rows: Sequence[HistoryRow]) -> Iterator[Scalar]:
    """Tag, round and value of every number in a history that belongs to a curve."""
    for row in rows:
        if row.train_loss is not None:
            yield "train/loss", row.round, row.train_loss
        for name, metric in row.metrics.items():
            yield f"validation/{name}", row.round, metric.value
        for site, line in row.sites.items():
            if line.train_loss is not None:
                yield f"sites/{site}/train_loss", row.round, line.train_loss
            for name, metric in line.metrics.items():
                yield f"sites/{site}/{name}", row.round, metric.value
