"""How far a run is: pure functions of the committed rounds and the open one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.selection import Scored

_RECENT = 5


def seconds_left(results: Sequence[RoundResult], total_rounds: int, elapsed: float) -> float | None:
    """Estimate for the whole run from the median of the last rounds; `elapsed` in the open one. None before the first.

    The first round has the sites' preparation in it, so it counts only while there is no other.
    """
    if not results:
        return None
    recent = [result.seconds for result in results[1:][-_RECENT:]] or [results[0].seconds]
    typical = statistics.median(recent)
    rounds_left = total_rounds - len(results)
    return max(0.0, typical * rounds_left - min(elapsed, typical)) if rounds_left > 0 else 0.0


def duration(seconds: float | None) -> str:
    """A duration in at most two units."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def headline(results: Sequence[RoundResult], rounds: int, best: Scored | None, metric: str) -> str:
    """Rounds done and the best score so far."""
    done = min(len(results), rounds)
    score = f", best {metric} {best.overall.value:.4f} (round {best.round})" if best is not None else ""
    return f"{done} of {rounds} rounds done{score}"
