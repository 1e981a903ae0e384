"""Optimisers, built from their typed parameters; and their state as bytes, without pickle."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD as TorchSGD  # noqa: N811 - a name in capitals, not a constant
from torch.optim import AdamW as TorchAdamW
from torch.optim import Optimizer

from wardround.engine.basics.problems import Findings
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.optimization import SGD, AdamW
from wardround.engine.study import Study


def build_optimizer(study: Study, weights: Iterable[nn.Parameter]) -> Optimizer:
    """The study's optimiser over `weights`. One that fails, or is none, is told as its package's."""
    use = study.training.optimizer
    part = use.part(Kind.OPTIMIZER)
    found = part.make(use.parameters, weights)
    with answering(part.owner):
        if not isinstance(found, Optimizer):
            raise BreachError(f"a {type(found).__name__}", "a torch.optim.Optimizer")
        return found


_STEP: Callable[..., Any] = inspect.unwrap(TorchAdamW.step)
_SGD_STEP: Callable[..., Any] = inspect.unwrap(TorchSGD.step)


class _LeanAdamW(TorchAdamW):
    """torch's AdamW, which does the same without loading torch's compiler.

    The compiler is never used here, but torch's decorators around these methods load it when they are first called:
    more than a second and 70 MB at the start of every process that trains.
    """

    add_param_group = inspect.unwrap(TorchAdamW.add_param_group)
    zero_grad = inspect.unwrap(TorchAdamW.zero_grad)
    state_dict = inspect.unwrap(TorchAdamW.state_dict)
    load_state_dict = inspect.unwrap(TorchAdamW.load_state_dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step, of which no gradient is taken, as with torch's decorator."""
        return _STEP(self, closure)


def build_adamw(parameters: AdamW, weights: Iterable[nn.Parameter]) -> Optimizer:
    """AdamW over `weights`, as one fused kernel; the learning rate is the one before the schedule's factor."""
    return _LeanAdamW(
        weights, lr=parameters.learning_rate, betas=parameters.betas, weight_decay=parameters.weight_decay, fused=True
    )


class _LeanSGD(TorchSGD):
    """torch's SGD, which does the same without loading torch's compiler, as above."""

    add_param_group = inspect.unwrap(TorchSGD.add_param_group)
    zero_grad = inspect.unwrap(TorchSGD.zero_grad)
    state_dict = inspect.unwrap(TorchSGD.state_dict)
    load_state_dict = inspect.unwrap(TorchSGD.load_state_dict)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step, of which no gradient is taken, as with torch's decorator."""
        return _SGD_STEP(self, closure)


def build_sgd(parameters: SGD, weights: Iterable[nn.Parameter]) -> Optimizer:
    """SGD over `weights`; the learning rate is the one before the schedule's factor."""
    return _LeanSGD(
        weights, lr=parameters.learning_rate, momentum=parameters.momentum, weight_decay=parameters.weight_decay
    )


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """The state as CPU tensors called `<index of the parameter>/<name>`; empty before the first step.

    Raises TypeError for an optimiser that keeps anything but tensors: such a state could not be carried exactly.
    """
    tensors: dict[str, Tensor] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{type(optimizer).__name__} keeps {name!r} as {type(value).__name__}, not as a tensor")
            tensors[f"{index:06d}/{name}"] = value.detach().to("cpu", copy=True).contiguous()
    return tensors


def restore_optimizer(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put a state of `optimizer_tensors` back. Raises `InputError` where it does not fit the optimiser's parameters."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    _check_state(tensors, weights)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value.clone()
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _check_state(tensors: Mapping[str, Tensor], weights: list[nn.Parameter]) -> None:
    findings = Findings()
    for key, value in tensors.items():
        index, _, name = key.partition("/")
        if not (index.isascii() and index.isdigit() and name and int(index) < len(weights)):
            findings.add("the optimiser's state has an unknown entry", got=repr(key))
            continue
        shape = weights[int(index)].shape
        if value.ndim > 0 and value.shape != shape:
            findings.add(
                "the optimiser's state does not fit the model",
                where=key,
                got=f"shape {tuple(value.shape)}",
                expected=f"shape {tuple(shape)}",
            )
        if not bool(torch.isfinite(value).all()):
            findings.add("the optimiser's state is not finite", where=key)
    findings.raise_if_any()
