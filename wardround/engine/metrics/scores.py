"""Scores of cases, and the summaries of them that may be merged across hospitals. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Interval:
    """Where a score lies with 95 % confidence, as far as the cases are a sample of those to come."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """A metric over `count` cases. Summaries of disjoint cohorts merge by their weighted mean.

    `interval` is its 95 % confidence interval, where one is known. It stays where the cases are: no message has it, and
    summaries that are merged lose it.
    """

    value: float
    count: int
    interval: Interval | None = field(default=None, compare=False)


@dataclass(frozen=True)
class CaseScores:
    """One case's scores by metric name (`dice`, `dice.anterior`); undefined ones are left out."""

    subject: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Scores of a cohort. `cases` never leave the hospital; `summary` may.

    `summary` has an entry for each metric of the study (mean over the classes that are defined, then over cases),
    one per class where the metric has classes (`dice.anterior`), and `loss` where it was computed.
    """

    cases: tuple[CaseScores, ...]
    summary: Mapping[str, Summary]


def merge(summaries: list[Summary]) -> Summary:
    """Weighted mean of summaries over disjoint cohorts; those that count no case are left out."""
    counted = [summary for summary in summaries if summary.count > 0]
    total = sum(summary.count for summary in counted)
    if total == 0:
        return Summary(0.0, 0)
    return Summary(_mean(counted, total), total)


def _mean(counted: Sequence[Summary], total: int) -> float:
    """The weighted mean, which lies between the least and the greatest value, however large they are."""
    mean = sum(summary.value * summary.count for summary in counted) / total
    if not math.isfinite(mean):
        mean = sum(summary.value * (summary.count / total) for summary in counted)
    values = [summary.value for summary in counted]
    return min(max(mean, min(values)), max(values))
