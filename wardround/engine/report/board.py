"""What a training came to, in a few lines for a terminal, or as JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from wardround.engine.experiments.casetables import Distribution
from wardround.engine.experiments.folds import Leaderboard


def board_json(board: Leaderboard) -> dict[str, JsonValue]:
    """The results of all splits, and their scores together, for programs."""
    return {
        "splits": {
            name: {"model": str(result.model), "metrics": result.metrics.model_dump(mode="json")}
            for name, result in board.results.items()
        },
        "scores": {
            name: {
                "mean": score.mean,
                "spread": score.spread,
                "splits": score.count,
                "interval": None if score.interval is None else [score.interval.low, score.interval.high],
            }
            for name, score in board.scores.items()
        },
    }


def _spread(score: Distribution) -> str:
    """How a mean spreads over the splits in which it is defined; one of them has no spread."""
    if score.spread is None:
        return " in 1 split"
    interval = f" ({score.interval.low:.4f} to {score.interval.high:.4f})" if score.interval else ""
    return f" ± {score.spread:.4f}{interval} over {score.count} splits"


def board_text(board: Leaderboard, out: Path) -> str:
    """Scores, and where pages and models lie, for the terminal."""
    several = len(board.results) > 1
    lines = [
        f"{name:<24}{score.mean:10.4f}" + (_spread(score) if several else "") for name, score in board.scores.items()
    ]
    first = next(iter(board.results.values()))
    scored = "test" if first.metrics.test else "validation"
    reports = [str(out / "report.html")] if several else []
    paths = [str(result.folder / "report.html") for result in board.results.values()]
    models = [str(result.model) for result in board.results.values()]
    results = board.results.values()
    which = " and ".join(sorted({result.metrics.which for result in results}))
    head = f"{scored} scores of the {which} weights" + (
        ", mean ± standard deviation (95 % confidence interval of the mean)" if several else ""
    )
    chosen = [f"{name}: {result.metrics.chosen}" for name, result in board.results.items() if result.metrics.chosen]
    return "\n".join([head, *chosen, *lines, "report:", *reports, *paths, "model:", *models])
