"""What people take away from a run: history, and best and last model as folders that `wardround predict` reads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wardround.aggregator.rounds.arrays import ArrayStore
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Scored
from wardround.aggregator.showing.chronicle import Chronicle
from wardround.aggregator.showing.history import (
    HistoryRow,
    csv_lines,
    history_jsonl,
    history_rows,
    metric_names,
    rows_from,
    settled_rows,
)
from wardround.aggregator.showing.page import RunRecord, make_page, write_report
from wardround.aggregator.showing.participation import RunSummary, parts_of
from wardround.aggregator.showing.tensorboard import Scalars, scalars_of
from wardround.engine.basics.files import write_atomic
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import Study
from wardround.federation.model_group import MODEL_GROUP, as_tensors
from wardround.federation.protocol import Plan
from wardround.federation.strategies.protocol import Arrays

BEST, LAST, REPORT, SUMMARY = "best", "last", "report.html", "summary.json"


@dataclass(frozen=True)
class Outputs:
    """Writes under `folder`. Everything here can be made again from the run's state.

    `fitted` gives what preprocessing has learned, which goes into the model folders.
    """

    folder: Path
    plan: Plan
    study: Study
    sites: tuple[str, ...]
    arrays: ArrayStore
    scalars: Scalars
    fitted: Callable[[], FittedState] = lambda: EMPTY

    def rehearse(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Make what `show` and `report` would write of the last round, in memory, but for pictures.

        Raises whatever they would raise for what is in the results.
        """
        rows = rows_from(results, max(0, settled_rows(results) - 1))
        history_jsonl(rows)
        csv_lines(rows, metric_names(rows))
        list(scalars_of(rows))
        self._card(rows[-1])
        shown = rows_from(results[: best.round + 1], best.round)[:1] if best is not None else ()
        make_page(RunRecord(self.plan, self.study, self.sites, results[-2:], (*shown, *rows), best), None).render()
        self._summary_of(results[-2:], complete=False)

    def spare(self, digest: str) -> Arrays | None:
        """The model of a digest as it lies in one of the model folders."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        for folder in (self.folder / LAST, self.folder / BEST):
            if _held_model(folder) == digest:
                with contextlib.suppress(OSError, SafetensorError):
                    found = load_file(folder / "model.safetensors")
                    return {f"{MODEL_GROUP}{name}": array for name, array in found.items()}
        return None

    def show(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Bring history, TensorBoard and model folders up to the last result."""
        try:
            changed = self._chronicle.update(results)
            rows = self._chronicle.rows
            self.scalars.write(rows[changed:], settled_rows(results))
        except OSError:
            self.__dict__.pop("_chronicle")  # how far it came is not known: the next looks at the files
            raise
        self._write_model(LAST, rows[-1])
        if best is not None:
            self._write_model(BEST, rows[best.round])

    @cached_property
    def _chronicle(self) -> Chronicle:
        return Chronicle(self.folder)

    def report(self, results: tuple[RoundResult, ...], best: Scored | None) -> Path | None:
        """Write the page about the rounds so far; its path, or None when there is nothing to tell yet."""
        if not results:
            return None
        record = RunRecord(self.plan, self.study, self.sites, results, history_rows(results), best)
        return write_report(self.folder / REPORT, record)

    def summarise(self, results: tuple[RoundResult, ...], *, complete: bool) -> RunSummary:
        """Write who took part in how many rounds, and return it."""
        summary = self._summary_of(results, complete=complete)
        content = json.dumps(summary.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"
        write_atomic(self.folder / SUMMARY, content.encode())
        return summary

    def _summary_of(self, results: tuple[RoundResult, ...], *, complete: bool) -> RunSummary:
        return RunSummary(
            federation=self.plan.federation,
            plan=self.plan.digest,
            complete=complete,
            rounds=sum(result.trained for result in results),
            sites=parts_of(results, self.sites),
        )

    def _write_model(self, name: str, row: HistoryRow) -> None:
        """A model folder; `metrics.json` is written last and says which model the folder holds."""
        from wardround.engine.experiments.models import write_study, write_weights

        folder = self.folder / name
        card = self._card(row)
        held = _held_model(folder)
        if held != row.model:
            (folder / "metrics.json").unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            write_study(folder / "study.yaml", self.study)
            step = row.round * self.plan.horizon.local_steps
            weights = as_tensors(self.arrays.get(row.model))
            write_weights(folder / "model.safetensors", self.study, weights, step, self.fitted())
        write_atomic(folder / "metrics.json", card)

    def _card(self, row: HistoryRow) -> bytes:
        content = {"federation": self.plan.federation, "plan": self.plan.digest, **row.model_dump(mode="json")}
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _held_model(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "metrics.json").read_bytes())["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is written again
