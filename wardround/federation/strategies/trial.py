"""A strategy folds two small replies before a federation begins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.protocol import Arrays, Contribution, Sites
from wardround.federation.strategies.sharing import Sharing, largest, model_schema

_ROSTER = Sites(("site-1", "site-2", "site-3"))
"""Of whom the second one never replies."""


def try_strategy(use: StrategyUse, place: str) -> list[Problem]:
    """What is wrong with a strategy at `place` in the federation file, found on a model of a few numbers in two rounds.

    What the first round leaves behind goes into the second.
    """
    try:
        strategy = use.build()
        sharing = strategy.sharing
        base, state = sharing.opening(_model(0.0)), dict[str, np.ndarray]()
        for _ in range(2):
            fold = strategy.begin(base, state, _ROSTER)
            for weight, value in ((3, 0.5), (1, -0.25)):
                fold.add(_contribution(sharing, weight, value))
            folded = fold.finish()
            base, state = folded.model, dict(folded.state)
    except InputError as error:
        return [replace(problem, where=place) for problem in error.problems]
    return []


def _contribution(sharing: Sharing, weight: int, value: float) -> Contribution:
    """What one of two sites may send."""
    model = _model(value)
    groups = largest(sharing.up, model_schema(model)).tensors
    arrays = {name: model.get(name, np.full(spec.shape, value, spec.dtype)) for name, spec in groups.items()}
    numbers = {number.name: min(max(value, number.bounds.least), number.bounds.most) for number in sharing.numbers}
    return Contribution(f"site-{weight}", weight, weight, 1, 0.5, arrays, numbers)


def _model(value: float) -> Arrays:
    """Numbers, a single one, and a count, which are the kinds of tensors that models have."""
    return {
        "model/weight": np.full((3, 2), 1.0 + value, dtype=np.float32),
        "model/scale": np.array(value, dtype=np.float32),
        "model/count": np.array(7, dtype=np.int64),
    }
