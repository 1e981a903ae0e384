"""What happened in a run: one row per validation, as JSON lines, as CSV and as TensorBoard scalars."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import write_atomic
from wardround.engine.metrics.scores import Evaluation, Summary


class HistoryRow(Closed):
    """One validation.

    Attributes:
        step: steps done.
        epoch: the same in epochs.
        loss: mean training loss since the row before.
        learning_rate: of the last step.
        seconds: spent on the steps since the row before and on this validation.
        metrics: mean scores of the validation cases by name.
    """

    step: int
    epoch: float
    loss: float
    learning_rate: float
    seconds: float
    metrics: dict[str, float]


class Memory(Closed):
    """A run's memory, kept in its checkpoint: the rows so far, and the best validation, if one had a score."""

    rows: tuple[HistoryRow, ...] = ()
    best_step: int | None = None
    best_score: float | None = None

    @property
    def done(self) -> int:
        """Steps that are trained and validated."""
        return self.rows[-1].step if self.rows else 0

    def followed_by(self, row: HistoryRow, score: float | None, *, higher_is_better: bool) -> Memory:
        """With one more row; of equal scores the earlier one stays the best. A validation without a score takes no
        part: it is never the best, and what was the best before stays so."""
        rows = (*self.rows, row)
        if score is not None and _is_better(score, self.best_score, higher_is_better):
            return Memory(rows=rows, best_step=row.step, best_score=score)
        return Memory(rows=rows, best_step=self.best, best_score=self.best_score)

    def scores(self, metric: str) -> tuple[float, ...]:
        """What validations had of a metric, in order, without those at which it was undefined."""
        return tuple(row.metrics[metric] for row in self.rows if metric in row.metrics)

    @property
    def best(self) -> int | None:
        """The step of the best validation; None while none had a score, whatever an earlier release wrote down then."""
        return None if self.best_score is None else self.best_step


def _is_better(score: float, best: float | None, higher_is_better: bool) -> bool:
    if best is None:
        return True
    return score > best if higher_is_better else score < best


def defined(evaluation: Evaluation) -> dict[str, float]:
    """The summary's values by name; those that no case defines are left out."""
    return {name: summary.value for name, summary in evaluation.summary.items() if _is_defined(summary)}


def _is_defined(summary: Summary) -> bool:
    return summary.count > 0 and math.isfinite(summary.value)


def write_history(folder: Path, rows: Sequence[HistoryRow]) -> None:
    """Write `history.jsonl` and `history.csv`, each atomically."""
    write_atomic(folder / "history.jsonl", b"".join(canonical_model(row) + b"\n" for row in rows))
    write_atomic(folder / "history.csv", _csv(rows).encode())


def _csv(rows: Sequence[HistoryRow]) -> str:
    metrics = sorted({name for row in rows for name in row.metrics})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["step", "epoch", "loss", "learning_rate", "seconds", *metrics])
    for row in rows:
        values: Mapping[str, float] = row.metrics
        fixed = [row.step, row.epoch, row.loss, row.learning_rate, row.seconds]
        writer.writerow([*fixed, *(values.get(name, "") for name in metrics)])
    return buffer.getvalue()


def scalars_of(row: HistoryRow) -> dict[str, float]:
    """A row's numbers by the names that curves have: `train/loss`, `train/learning_rate`, `validation/dice`."""
    scores = {f"validation/{name}": value for name, value in row.metrics.items()}
    return {"train/loss": row.loss, "train/learning_rate": row.learning_rate, **scores}


class Board:
    """TensorBoard scalars of a run; after an interruption the rows that are done again replace the old ones."""

    def __init__(self, folder: Path, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def add(self, row: HistoryRow) -> None:
        """Add a row's scalars."""
        for name, value in scalars_of(row).items():
            self._writer.add_scalar(name, value, row.step)
        self._writer.flush()
