"""Optimisers that torch has not, each as its authors publish it.

All that they keep are tensors, so that a checkpoint carries it exactly. `step` is one, on the CPU, as torch's own are.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from wardround.engine.parts.optimization import AdEMAMix, Adopt, DecayingParameters, Lion, NovoGrad
from wardround.engine.training.lean import lean
from wardround.engine.training.optimizers import groups_of

State = dict[str, Tensor]
"""What is kept of one weight."""


class _Descent(Optimizer):
    """Each weight goes its own way, by its gradient, what was kept of it, and its group's settings."""

    def __init__(self, groups: Any, defaults: Mapping[str, Any]) -> None:
        super().__init__(groups, dict(defaults))

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every weight that has a gradient."""
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, self._kept(weight), group)
        return loss

    def _kept(self, weight: Tensor) -> State:
        state: State = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state.update(self._begin(weight))
        state["step"] += 1
        return state

    @abstractmethod
    def _begin(self, weight: Tensor) -> State:
        """What is kept of a weight before its first step."""

    @abstractmethod
    def _move(self, weight: Tensor, gradient: Tensor, state: State, group: Mapping[str, Any]) -> None:
        """Change a weight in place, and what is kept of it; the gradient stays as it is."""


class _NovoGrad(_Descent):
    """Algorithm 1 of Ginsburg et al. 2019: v is a mean of the squared norm of a layer's gradient, m of the gradients
    over its root and of the decayed weights."""

    def _begin(self, weight: Tensor) -> State:
        return {"mean": torch.zeros_like(weight), "square": weight.new_zeros(())}

    def _move(self, weight: Tensor, gradient: Tensor, state: State, group: Mapping[str, Any]) -> None:
        first, second = group["betas"]
        norm, square = gradient.square().sum(), state["square"]
        # As long as there was no gradient there is no mean of squares to speak of.
        square.copy_(torch.where(square == 0, norm, second * square + (1 - second) * norm))
        scaled = gradient / (square.sqrt() + group["eps"])
        state["mean"].mul_(first).add_(scaled.add_(weight, alpha=group["weight_decay"]))
        weight.add_(state["mean"], alpha=-group["lr"])


class _AdEMAMix(_Descent):
    """Algorithm 1 of Pagliardini et al. 2024."""

    def _begin(self, weight: Tensor) -> State:
        return {name: torch.zeros_like(weight) for name in ("fast", "slow", "square")}

    def _move(self, weight: Tensor, gradient: Tensor, state: State, group: Mapping[str, Any]) -> None:
        step, (first, second, _) = float(state["step"]), group["betas"]
        alpha, third = _risen(step, group)
        state["fast"].lerp_(gradient, 1 - first)
        state["slow"].lerp_(gradient, 1 - third)
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        fast = state["fast"] / (1 - first**step)
        spread = (state["square"] / (1 - second**step)).sqrt_().add_(group["eps"])
        moved = fast.add_(state["slow"], alpha=alpha).div_(spread).add_(weight, alpha=group["weight_decay"])
        weight.add_(moved, alpha=-group["lr"])


def _risen(step: float, group: Mapping[str, Any]) -> tuple[float, float]:
    """alpha and the third beta of a step, counted from 1: alpha rises linearly, and so does the half-life that belongs
    to the beta, from that of the first beta."""
    (first, _, third), alpha, warmup = group["betas"], group["alpha"], group["warmup"]
    share = 1.0 if step >= warmup else step / warmup
    if share == 1.0 or not first:
        return share * alpha, third
    slow, quick = math.log(third), math.log(first)
    return share * alpha, min(third, math.exp(quick * slow / ((1 - share) * slow + share * quick)))


class _Lion(_Descent):
    """Algorithm 2 of Chen et al. 2023."""

    def _begin(self, weight: Tensor) -> State:
        return {"mean": torch.zeros_like(weight)}

    def _move(self, weight: Tensor, gradient: Tensor, state: State, group: Mapping[str, Any]) -> None:
        first, second = group["betas"]
        direction = torch.lerp(gradient, state["mean"], first).sign_()
        weight.add_(direction.add_(weight, alpha=group["weight_decay"]), alpha=-group["lr"])
        state["mean"].lerp_(gradient, 1 - second)


class _Adopt(_Descent):
    """Algorithm 2 of Taniguchi et al. 2024, clipped at the fourth root of the step."""

    def _begin(self, weight: Tensor) -> State:
        return {"mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}

    def _move(self, weight: Tensor, gradient: Tensor, state: State, group: Mapping[str, Any]) -> None:
        (first, second), done = group["betas"], float(state["step"]) - 1
        if not done:
            state["square"].addcmul_(gradient, gradient)
            return
        bound = done**0.25
        scaled = (gradient / state["square"].sqrt().clamp_(min=group["eps"])).clamp_(-bound, bound)
        state["mean"].lerp_(scaled, 1 - first)
        weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(state["mean"], alpha=-group["lr"])
        state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)


_NOVOGRAD, _ADEMAMIX, _LION, _ADOPT = lean(_NovoGrad), lean(_AdEMAMix), lean(_Lion), lean(_Adopt)


def _settings(parameters: DecayingParameters, **others: Any) -> dict[str, Any]:
    return {"lr": parameters.learning_rate, "weight_decay": parameters.weight_decay, **others}


def build_novograd(parameters: NovoGrad, weights: Iterable[nn.Parameter]) -> Optimizer:
    """NovoGrad over `weights`; the learning rate is the one before the schedule's factor."""
    settings = _settings(parameters, betas=parameters.betas, eps=parameters.epsilon)
    return _NOVOGRAD(groups_of(parameters, weights), settings)


def build_ademamix(parameters: AdEMAMix, weights: Iterable[nn.Parameter]) -> Optimizer:
    """AdEMAMix over `weights`; the learning rate is the one before the schedule's factor."""
    betas, eps = parameters.betas, parameters.epsilon
    settings = _settings(parameters, betas=betas, eps=eps, alpha=parameters.alpha, warmup=parameters.warmup)
    return _ADEMAMIX(groups_of(parameters, weights), settings)


def build_lion(parameters: Lion, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Lion over `weights`; the learning rate is the one before the schedule's factor."""
    return _LION(groups_of(parameters, weights), _settings(parameters, betas=parameters.betas))


def build_adopt(parameters: Adopt, weights: Iterable[nn.Parameter]) -> Optimizer:
    """ADOPT over `weights`; the learning rate is the one before the schedule's factor."""
    settings = _settings(parameters, betas=parameters.betas, eps=parameters.epsilon)
    return _ADOPT(groups_of(parameters, weights), settings)
