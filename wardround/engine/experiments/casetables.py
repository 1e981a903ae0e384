"""Scores case by case. These tables name subjects: they stay at the hospital, outside any model folder."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.engine.basics.files import write_atomic
from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.scores import CaseScores, Evaluation, Interval

CASES = "cases.csv"


@dataclass(frozen=True)
class Distribution:
    """A metric over the cases that define it: their number, mean, standard deviation (n - 1), median and range.

    A single case has no standard deviation: its `spread` is None. `interval` is the 95 % confidence interval of the
    mean, where one is known.
    """

    count: int
    mean: float
    spread: float | None
    median: float
    lowest: float
    highest: float
    interval: Interval | None = None


def metric_names(cases: Sequence[CaseScores]) -> tuple[str, ...]:
    """Names of all metrics, those of the study's first, each before its classes."""
    return tuple(dict.fromkeys(name for case in cases for name in case.scores))


def distributions(cases: Sequence[CaseScores]) -> dict[str, Distribution]:
    """How each metric is distributed over the cases."""
    values = {name: [case.scores[name] for case in cases if name in case.scores] for name in metric_names(cases)}
    return {name: replace(distribution(found), interval=of_mean(found)) for name, found in values.items()}


def distribution(values: Sequence[float]) -> Distribution:
    """The distribution of at least one value."""
    spread = statistics.stdev(values) if len(values) > 1 else None
    middle = statistics.median(values)
    return Distribution(len(values), statistics.fmean(values), spread, middle, min(values), max(values))


def write_cases(path: Path, evaluations: Mapping[str, Evaluation]) -> None:
    """Write one row per case: the set it is in, its subject, its scores; an undefined score is an empty cell."""
    names = metric_names([case for evaluation in evaluations.values() for case in evaluation.cases])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["Set", "SubjectID", *names])
    for part, evaluation in evaluations.items():
        for case in evaluation.cases:
            writer.writerow([part, case.subject, *(case.scores.get(name, "") for name in names)])
    write_atomic(path, buffer.getvalue().encode())


def read_cases(path: Path) -> dict[str, tuple[CaseScores, ...]]:
    """The cases of `write_cases` by set."""
    found: dict[str, list[CaseScores]] = {}
    with path.open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            part, subject = row.pop("Set"), row.pop("SubjectID")
            scores = {name: float(cell) for name, cell in row.items() if cell}
            found.setdefault(part, []).append(CaseScores(subject, scores))
    return {part: tuple(cases) for part, cases in found.items()}
