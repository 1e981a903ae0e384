"""A strategy trains and folds small replies before a federation begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import answering
from wardround.federation.model_group import as_tensors
from wardround.federation.strategies.foreign import ForeignStrategy
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.protocol import Arrays, Contribution, Incoming, Sites, Strategy
from wardround.federation.strategies.sharing import MODEL, Sharing, group_of, largest, model_schema

if TYPE_CHECKING:
    from torch import nn

_ROUNDS = 2
"""What the first round leaves behind goes into the second."""
_RATES = (0.125, 0.0625)

_ROSTER = Sites(("site-1", "site-2", "site-3"))
"""Of whom the second one never replies."""


def try_strategy(use: StrategyUse, place: str) -> list[Problem]:
    """What is wrong with a strategy at `place` in the federation file, found on a model of a few numbers in two rounds.

    The half at the sites is tried where it comes from a package: that of a built-in strategy is known, and takes torch.
    """
    try:
        strategy = use.build()
        _fold(strategy)
        if isinstance(strategy, ForeignStrategy):
            with answering(use.part.owner):
                _train(strategy)
    except InputError as error:
        return [replace(problem, where=place) for problem in error.problems]
    return []


def _fold(strategy: Strategy) -> None:
    sharing = strategy.sharing
    base, state = sharing.opening(_model(0.0)), dict[str, np.ndarray]()
    for _ in range(_ROUNDS):
        fold = strategy.begin(base, state, _ROSTER)
        for weight, value in ((3, 0.5), (1, -0.25)):
            fold.add(_contribution(sharing, weight, value))
        folded = fold.finish()
        base, state = folded.model, dict(folded.state)


def _train(strategy: Strategy) -> None:
    base, carried = strategy.sharing.opening(_model(0.0)), dict[str, np.ndarray]()
    shared = {name: array for name, array in base.items() if group_of(name) != MODEL}
    for _ in range(_ROUNDS):
        network = _network(base)
        half = strategy.at_site(Incoming(shared, carried, _RATES), network)
        for rate in _RATES:
            network.zero_grad()
            loss = network(None)
            term = half.loss_term(network)
            (loss if term is None else loss + term).backward()
            half.before_update(network)
            _step(network, rate)
            half.after_step(network)
        carried = dict(half.finish(network).carried)


def _step(network: nn.Module, rate: float) -> None:
    """One of plain gradient descent."""
    import torch

    with torch.no_grad():
        for weight in network.parameters():
            if weight.grad is not None:
                weight.sub_(weight.grad, alpha=rate)


def _network(arrays: Arrays) -> nn.Module:
    """A network of the model's tensors, whose output is its own loss."""
    import torch

    class Small(torch.nn.Module):
        def forward(self, _: object) -> torch.Tensor:
            """Half the sum of squares."""
            return sum((0.5 * weight.square().sum() for weight in self.parameters()), torch.zeros(()))

    network = Small()
    for name, tensor in as_tensors(arrays).items():
        if tensor.is_floating_point():
            network.register_parameter(name, torch.nn.Parameter(tensor))
        else:
            network.register_buffer(name, tensor)
    return network


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
