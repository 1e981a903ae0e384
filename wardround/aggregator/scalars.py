"""TensorBoard scalars of a run, written as rounds are committed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wardround.aggregator.history import HistoryRow

Scalar = tuple[str, int, float]


class Scalars:
    """A TensorBoard log under `folder`. A process that resumes writes all rounds again in place of the older files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None
        self._written: set[tuple[str, int]] = set()

    def write(self, rows: Sequence[HistoryRow]) -> None:
        """Write what is new in the history."""
        new = [(tag, step, value) for tag, step, value in scalars_of(rows) if (tag, step) not in self._written]
        for tag, step, value in new:
            self._open().add_scalar(tag, value, step)
            self._written.add((tag, step))
        if new:
            self._open().flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> Any:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=0)
        return self._writer


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
