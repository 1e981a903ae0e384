"""How far a run is: pure functions of the committed rounds and the open one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Scored
from wardround.federation.protocol import Plan

_RECENT = 5
_BOTH_SETS = 2.0
"""The final evaluation scores test cases as well, which are about as many as those of validation."""


def seconds_left(results: Sequence[RoundResult], plan: Plan, total_rounds: int, elapsed: float) -> float | None:
    """Estimate for the whole run, its evaluations included; `elapsed` in the open round. None before the first is done.

    Rounds that score a model and rounds that do not are reckoned apart, each by the median of the last of its kind.
    The first round has the sites' preparation in it, so it counts only while there is no other.
    """
    if not results:
        return None
    left = [_typical(results, plan, number) for number in range(len(results) + 1, total_rounds + 1)]
    return max(0.0, sum(left) - min(elapsed, left[0])) if left else 0.0


def _typical(results: Sequence[RoundResult], plan: Plan, number: int) -> float:
    """What a round takes: the median of those like it. The final evaluation scores and does not train."""
    is_final = number > plan.horizon.rounds
    scored, unscored = (_median(results, plan, scores=scores) for scores in (True, False))
    if is_final and scored is not None and unscored is not None:
        return max(0.0, scored - unscored) * _BOTH_SETS
    first, second = (scored, unscored) if is_final or plan.scores_in(number) else (unscored, scored)
    return first if first is not None else second or 0.0


def _median(results: Sequence[RoundResult], plan: Plan, *, scores: bool) -> float | None:
    """Of the last rounds that score a model, or of those that do not."""
    found = [result.seconds for result in results[1:] or results if plan.scores_in(result.round) is scores]
    return statistics.median(found[-_RECENT:]) if found else None


def headline(results: Sequence[RoundResult], rounds: int, best: Scored | None, metric: str) -> str:
    """Rounds done and the best score so far."""
    done = min(len(results), rounds)
    score = f", best {metric} {best.overall.value:.4f} (round {best.round})" if best is not None else ""
    return f"{done} of {rounds} rounds done{score}"
