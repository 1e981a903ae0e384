"""One step of the optimiser, and the schedule from its first step to its last."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from wardround.engine.parts import BreachError, Kind
from wardround.engine.study import Study
from wardround.engine.training.optimizers import build_optimizer, optimizer_tensors, restore_optimizer
from wardround.engine.training.schedules import rate_factor
from wardround.engine.trial.attempt import Attempts, require_finite

_HORIZONS = (1, 2, 100)
_STEPS = 5


def try_descent(study: Study, network: nn.Module | None, attempts: Attempts) -> None:
    """Step once over a few of the network's weights, or over made-up ones, and ask the schedule for every step.

    Wardround's own optimisers are left out: no study can be at odds with them, and a process's first one makes torch
    load its compiler, which takes longer than all the rest.
    """
    optimizer = study.training.optimizer.part(Kind.OPTIMIZER)
    if optimizer.package:
        with attempts.of(optimizer):
            require_step(study, [] if network is None else [*network.parameters()][:2])
    with attempts.of(study.training.schedule.part(Kind.SCHEDULE)):
        require_factors(study)


def require_factors(study: Study) -> None:
    """Ask the study's schedule for every step of some horizons. Raises what it raises there."""
    factor = rate_factor(study)
    for horizon in _HORIZONS:
        for step in range(horizon):
            factor(step, horizon)


def require_step(study: Study, of_the_network: Iterable[nn.Parameter]) -> None:
    """Step twice with the study's optimiser over some weights, or over made-up ones: a first step may only measure.

    Raises `BreachError` where they do not move, or where it keeps what a checkpoint cannot hold."""
    weights = [nn.Parameter(weight.detach().clone()) for weight in of_the_network] or _made_up()
    optimizer = build_optimizer(study, iter(weights))
    before = [weight.detach().clone() for weight in weights]
    for _ in range(2):
        for weight in weights:
            weight.grad = torch.full_like(weight, 0.1)
        optimizer.step()
    for weight in weights:
        require_finite(weight.detach(), "weights after a step")
    if all(torch.equal(weight.detach(), old) for weight, old in zip(weights, before, strict=True)):
        raise BreachError("weights as they were before its step", "a step down the gradient")
    _require_state(optimizer)


def require_resumable(study: Study) -> None:
    """Stop the study's optimiser after each of a few steps and go on with a new one that has its state, at rates and
    gradients that change. Raises `BreachError` where the weights are then others than without a stop."""
    straight = _walked(study, None)
    for cut in range(_STEPS):
        if not all(map(torch.equal, straight, _walked(study, cut))):
            got = f"other weights after its state was carried over before step {cut}"
            raise BreachError(got, "all that its next step depends on in its state, as tensors")


def _made_up() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.ones(4))]


def _walked(study: Study, cut: int | None) -> list[torch.Tensor]:
    """Made-up weights after some steps, before one of which another optimiser takes over."""
    weights, generator = _made_up(), torch.Generator().manual_seed(0)
    optimizer = build_optimizer(study, iter(weights))
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    for step in range(_STEPS):
        if step == cut:
            tensors, optimizer = optimizer_tensors(optimizer), build_optimizer(study, iter(weights))
            restore_optimizer(optimizer, tensors)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / (step + 1)
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    return [weight.detach() for weight in weights]


def _require_state(optimizer: torch.optim.Optimizer) -> None:
    try:
        optimizer_tensors(optimizer)
    except TypeError as error:
        raise BreachError(str(error), "a state of tensors alone, so that a checkpoint holds it exactly") from error
