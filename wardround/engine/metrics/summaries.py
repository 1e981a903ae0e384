"""From the scores of cases to what may leave the hospital. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.scores import CaseScores, Summary


def summarise(cases: Sequence[CaseScores]) -> dict[str, Summary]:
    """Per name the mean over the cases that have a score of it, their number and the mean's confidence interval; in
    order of first appearance."""
    names = dict.fromkeys(name for case in cases for name in case.scores)
    return {name: _mean(case.scores[name] for case in cases if name in case.scores) for name in names}


def named_scores(name: str, per_class: Mapping[str, float]) -> dict[str, float]:
    """`name` for the mean over the classes, then `name.class` for each; empty if there is no class."""
    if not per_class:
        return {}
    mean = sum(per_class.values()) / len(per_class)
    return {name: mean, **{f"{name}.{label}": value for label, value in per_class.items()}}


def _mean(values: Iterable[float]) -> Summary:
    collected = list(values)
    return Summary(sum(collected) / len(collected), len(collected), of_mean(collected))
