"""Optimisers, built from their typed parameters; and their state as bytes, without pickle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.optim import Optimizer

from wardround.engine.basics.problems import Findings
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.optimization import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    DecayingParameters,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from wardround.engine.study import Study
from wardround.engine.training.lean import lean


def build_optimizer(study: Study, weights: Iterable[nn.Parameter]) -> Optimizer:
    """The study's optimiser over `weights`. One that fails, or is none, is told as its package's."""
    use = study.training.optimizer
    part = use.part(Kind.OPTIMIZER)
    found = part.make(use.parameters, weights)
    with answering(part.owner):
        if not isinstance(found, Optimizer):
            raise BreachError(f"a {type(found).__name__}", "a torch.optim.Optimizer")
        return found


def groups_of(parameters: DecayingParameters, weights: Iterable[nn.Parameter]) -> Any:
    """The weights as an optimiser takes them: one group, or a second one of those that weight decay leaves alone.

    Those are the weights of one axis, which are biases and the scales and shifts of norm layers.
    """
    if parameters.decay_biases:
        return weights
    kept = [*weights]
    decayed, spared = ([weight for weight in kept if (weight.ndim > 1) is many] for many in (True, False))
    groups = [{"params": decayed}] if decayed else []
    return [*groups, {"params": spared, "weight_decay": 0.0}] if spared else groups


_ADAMW, _ADAM, _SGD = lean(optim.AdamW), lean(optim.Adam), lean(optim.SGD)
_ADAMAX, _NADAM, _RADAM = lean(optim.Adamax), lean(optim.NAdam), lean(optim.RAdam)
_RMSPROP, _ADAGRAD, _ADADELTA = lean(optim.RMSprop), lean(optim.Adagrad), lean(optim.Adadelta)
_ASGD, _RPROP = lean(optim.ASGD), lean(optim.Rprop)


def _common(parameters: DecayingParameters) -> dict[str, Any]:
    """What every optimiser with weight decay is told; the learning rate is the one before the schedule's factor."""
    return {"lr": parameters.learning_rate, "weight_decay": parameters.weight_decay}


def build_adamw(parameters: AdamW, weights: Iterable[nn.Parameter]) -> Optimizer:
    """AdamW over `weights`, as one fused kernel."""
    betas, eps, amsgrad = parameters.betas, parameters.epsilon, parameters.amsgrad
    groups = groups_of(parameters, weights)
    return _ADAMW(groups, **_common(parameters), betas=betas, eps=eps, amsgrad=amsgrad, fused=True)


def build_adam(parameters: Adam, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Adam over `weights`, as one fused kernel."""
    betas, eps, amsgrad = parameters.betas, parameters.epsilon, parameters.amsgrad
    groups = groups_of(parameters, weights)
    return _ADAM(groups, **_common(parameters), betas=betas, eps=eps, amsgrad=amsgrad, fused=True)


def build_sgd(parameters: SGD, weights: Iterable[nn.Parameter]) -> Optimizer:
    """SGD over `weights`."""
    momentum, nesterov = parameters.momentum, parameters.nesterov
    return _SGD(groups_of(parameters, weights), **_common(parameters), momentum=momentum, nesterov=nesterov)


def build_adamax(parameters: Adamax, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Adamax over `weights`."""
    groups = groups_of(parameters, weights)
    return _ADAMAX(groups, **_common(parameters), betas=parameters.betas, eps=parameters.epsilon)


def build_nadam(parameters: NAdam, weights: Iterable[nn.Parameter]) -> Optimizer:
    """NAdam over `weights`."""
    betas, eps, decay = parameters.betas, parameters.epsilon, parameters.momentum_decay
    return _NADAM(groups_of(parameters, weights), **_common(parameters), betas=betas, eps=eps, momentum_decay=decay)


def build_radam(parameters: RAdam, weights: Iterable[nn.Parameter]) -> Optimizer:
    """RAdam over `weights`."""
    groups = groups_of(parameters, weights)
    return _RADAM(groups, **_common(parameters), betas=parameters.betas, eps=parameters.epsilon)


def build_rmsprop(parameters: RMSprop, weights: Iterable[nn.Parameter]) -> Optimizer:
    """RMSprop over `weights`."""
    return _RMSPROP(
        groups_of(parameters, weights),
        **_common(parameters),
        alpha=parameters.smoothing,
        eps=parameters.epsilon,
        momentum=parameters.momentum,
        centered=parameters.centered,
    )


def build_adagrad(parameters: Adagrad, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Adagrad over `weights`."""
    return _ADAGRAD(groups_of(parameters, weights), **_common(parameters), eps=parameters.epsilon)


def build_adadelta(parameters: Adadelta, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Adadelta over `weights`."""
    groups = groups_of(parameters, weights)
    return _ADADELTA(groups, **_common(parameters), rho=parameters.rho, eps=parameters.epsilon)


def build_asgd(parameters: ASGD, weights: Iterable[nn.Parameter]) -> Optimizer:
    """ASGD over `weights`."""
    groups = groups_of(parameters, weights)
    return _ASGD(groups, **_common(parameters), lambd=parameters.shrink, alpha=parameters.power)


def build_rprop(parameters: Rprop, weights: Iterable[nn.Parameter]) -> Optimizer:
    """Rprop over `weights`."""
    return _RPROP(weights, lr=parameters.learning_rate, etas=parameters.factors, step_sizes=parameters.steps)


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
