"""An optimiser's state goes through bytes exactly, step counts included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim import Optimizer

from tests.engine.training.fakes import tiny_study
from wardround.engine.basics.problems import InputError
from wardround.engine.parts import Kind, Parameters, Part, builtin_and_plugins
from wardround.engine.parts.optimization import (
    ASGD,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
)
from wardround.engine.training.optimizers import build_adamw, build_sgd, optimizer_tensors, restore_optimizer


def _steps(network: nn.Module, optimizer: Optimizer, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        optimizer.zero_grad()
        network(torch.randn(4, 3, generator=generator)).square().mean().backward()
        optimizer.step()


def _network() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 2)


def test_adamw_equals_torchs_own() -> None:
    ours, theirs = _network(), _network()
    settings = AdamW(learning_rate=0.05, weight_decay=0.1, betas=(0.8, 0.99))
    _steps(ours, build_adamw(settings, ours.parameters()), 5, seed=1)
    _steps(theirs, torch.optim.AdamW(theirs.parameters(), 0.05, (0.8, 0.99), weight_decay=0.1), 5, seed=1)
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-6)


def test_adamw_is_torchs_fused_one_bit_for_bit_with_the_same_state_and_hooks() -> None:
    ours, theirs = _network(), _network()
    first = build_adamw(AdamW(learning_rate=0.05), ours.parameters())
    second = torch.optim.AdamW(theirs.parameters(), 0.05, (0.9, 0.999), weight_decay=AdamW().weight_decay, fused=True)
    steps: list[Optimizer] = []
    first.register_step_post_hook(lambda optimizer, *_: steps.append(optimizer))
    for network, optimizer in ((ours, first), (theirs, second)):
        _steps(network, optimizer, 3, seed=1)
        optimizer.load_state_dict(optimizer.state_dict())
        _steps(network, optimizer, 3, seed=2)
        optimizer.zero_grad()
    assert torch.equal(ours.weight, theirs.weight)
    assert first.state_dict()["param_groups"] == second.state_dict()["param_groups"]
    assert ours.weight.grad is None
    assert ours.weight.requires_grad
    assert len(steps) == 6


def test_restored_state_goes_on_bit_for_bit() -> None:
    straight, broken = _network(), _network()
    optimizer = build_adamw(AdamW(), straight.parameters())
    _steps(straight, optimizer, 7, seed=1)
    _steps(straight, optimizer, 4, seed=2)
    first = build_adamw(AdamW(), broken.parameters())
    _steps(broken, first, 7, seed=1)
    second = build_adamw(AdamW(), broken.parameters())
    restore_optimizer(second, optimizer_tensors(first))
    _steps(broken, second, 4, seed=2)
    assert torch.equal(straight.weight, broken.weight)
    assert {float(entry["step"]) for entry in second.state.values()} == {11.0}


def test_a_state_before_the_first_step_is_empty_and_can_be_restored() -> None:
    optimizer = build_adamw(AdamW(), _network().parameters())
    assert optimizer_tensors(optimizer) == {}
    restore_optimizer(optimizer, {})


def test_a_state_that_does_not_fit_is_refused_with_every_reason() -> None:
    network = _network()
    optimizer = build_adamw(AdamW(), network.parameters())
    wrong = {
        "000000/exp_avg": torch.zeros(5, 5),
        "000001/exp_avg": torch.tensor([float("nan"), 0.0]),
        "000009/exp_avg": torch.zeros(1),
        "what": torch.zeros(1),
    }
    with pytest.raises(InputError) as caught:
        restore_optimizer(optimizer, wrong)
    assert len(caught.value.problems) == 4


def test_an_optimiser_that_keeps_more_than_tensors_is_refused() -> None:
    network = _network()
    optimizer = torch.optim.LBFGS(network.parameters())
    optimizer.step(lambda: network(torch.ones(1, 3)).square().mean())
    with pytest.raises(TypeError, match="not as a tensor"):
        optimizer_tensors(optimizer)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torchs_own_bit_for_bit_and_its_state_goes_through_bytes(momentum: float) -> None:
    ours, theirs, resumed = _network(), _network(), _network()
    settings = SGD(learning_rate=0.05, momentum=momentum, weight_decay=0.1)
    first = build_sgd(settings, ours.parameters())
    _steps(ours, first, 3, seed=1)
    second = build_sgd(settings, resumed.parameters())
    resumed.load_state_dict(ours.state_dict())
    restore_optimizer(second, optimizer_tensors(first))
    _steps(resumed, second, 2, seed=2)
    reference = torch.optim.SGD(theirs.parameters(), 0.05, momentum=momentum, weight_decay=0.1)
    _steps(theirs, reference, 3, seed=1)
    _steps(theirs, reference, 2, seed=2)
    assert torch.equal(resumed.weight, theirs.weight)
    assert torch.equal(resumed.bias, theirs.bias)


TORCHS: list[tuple[Parameters, Callable[..., Optimizer], dict[str, Any]]] = [
    (
        AdamW(learning_rate=0.1, weight_decay=0.2, epsilon=1e-3, amsgrad=True),
        torch.optim.AdamW,
        {"weight_decay": 0.2, "eps": 1e-3, "amsgrad": True, "fused": True},
    ),
    (
        Adam(learning_rate=0.1, weight_decay=0.2, betas=(0.5, 0.9), amsgrad=True),
        torch.optim.Adam,
        {"weight_decay": 0.2, "betas": (0.5, 0.9), "amsgrad": True, "fused": True},
    ),
    (
        SGD(learning_rate=0.1, momentum=0.9, nesterov=True, weight_decay=0.2),
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.2},
    ),
    (
        Adamax(learning_rate=0.1, betas=(0.5, 0.9), weight_decay=0.2),
        torch.optim.Adamax,
        {"betas": (0.5, 0.9), "weight_decay": 0.2},
    ),
    (
        NAdam(learning_rate=0.1, weight_decay=0.2, momentum_decay=0.1),
        torch.optim.NAdam,
        {"weight_decay": 0.2, "momentum_decay": 0.1},
    ),
    (RAdam(learning_rate=0.1, weight_decay=0.2), torch.optim.RAdam, {"weight_decay": 0.2}),
    (
        RMSprop(learning_rate=0.1, smoothing=0.5, momentum=0.5, centered=True, weight_decay=0.2),
        torch.optim.RMSprop,
        {"alpha": 0.5, "momentum": 0.5, "centered": True, "weight_decay": 0.2},
    ),
    (
        Adagrad(learning_rate=0.1, epsilon=0.1, weight_decay=0.2),
        torch.optim.Adagrad,
        {"eps": 0.1, "weight_decay": 0.2},
    ),
    (
        Adadelta(learning_rate=0.1, rho=0.5, weight_decay=0.2),
        torch.optim.Adadelta,
        {"rho": 0.5, "weight_decay": 0.2},
    ),
    (
        ASGD(learning_rate=0.1, shrink=0.5, power=0.5, weight_decay=0.2),
        torch.optim.ASGD,
        {"lambd": 0.5, "alpha": 0.5, "weight_decay": 0.2},
    ),
    (
        Rprop(learning_rate=0.1, factors=(0.3, 1.5), steps=(0.01, 1.0)),
        torch.optim.Rprop,
        {"etas": (0.3, 1.5), "step_sizes": (0.01, 1.0)},
    ),
]


def _built(settings: Parameters, network: nn.Module) -> Optimizer:
    rows = builtin_and_plugins().parts(Kind.OPTIMIZER)
    made: Optimizer = next(row for row in rows if row.parameters is type(settings)).make(settings, network.parameters())
    return made


@pytest.mark.parametrize(("settings", "kind", "named"), TORCHS, ids=lambda each: getattr(each, "__name__", ""))
def test_each_of_torchs_is_torchs_own_bit_for_bit(
    settings: Parameters, kind: Callable[..., Optimizer], named: dict[str, Any]
) -> None:
    ours, theirs = _network(), _network()
    _steps(ours, _built(settings, ours), 6, seed=1)
    _steps(theirs, kind(theirs.parameters(), lr=0.1, **named), 6, seed=1)
    assert torch.equal(ours.weight, theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_every_optimiser_of_torch_is_held_against_torchs() -> None:
    rows = builtin_and_plugins().parts(Kind.OPTIMIZER)
    assert {type(settings) for settings, _, _ in TORCHS} == {
        row.parameters for row in rows if row.implementation.startswith("wardround.engine.training.optimizers:")
    }


@pytest.mark.parametrize(
    "row", [row for row in builtin_and_plugins().parts(Kind.OPTIMIZER) if row.name != "rprop"], ids=lambda row: row.name
)
def test_biases_and_norms_are_left_alone_by_weight_decay_if_asked(row: Part) -> None:
    """With gradients of zero nothing but weight decay moves a weight."""
    moved = {}
    for everywhere in (True, False):
        network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        nn.init.ones_(network[0].bias)
        alone = {"shrink": 0} if row.name == "asgd" else {}
        parameters = row.parameters.model_validate({"weight_decay": 0.1, "decay_biases": everywhere, **alone})
        optimizer = row.make(parameters, network.parameters())
        before = [weight.detach().clone() for weight in network.parameters()]
        for _ in range(3):
            for weight in network.parameters():
                weight.grad = torch.zeros_like(weight)
            optimizer.step()
        changed = [not torch.equal(weight, old) for weight, old in zip(network.parameters(), before, strict=True)]
        moved[everywhere] = dict(zip(("kernel", "bias", "scale", "shift"), changed, strict=True))
    assert moved[True]["kernel"]
    assert moved[False]["kernel"]
    assert not any(moved[False][name] for name in ("bias", "scale"))
    assert all(moved[True][name] for name in ("bias", "scale"))


def test_the_state_of_two_groups_is_carried_in_their_own_order() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    optimizer = _built(AdamW(decay_biases=False), network)
    for weight in network.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    tensors = optimizer_tensors(optimizer)
    restore_optimizer(_built(AdamW(decay_biases=False), network), tensors)
    with pytest.raises(InputError, match="does not fit the model"):
        restore_optimizer(_built(AdamW(), network), tensors)


@pytest.mark.parametrize(
    ("optimizer", "said"),
    [
        ({"name": "sgd", "nesterov": True}, "nesterov looks ahead along the momentum"),
        ({"name": "rprop", "learning_rate": 1e-7}, "the first step does not lie within `steps`"),
        ({"name": "rprop", "steps": [1, 0.1]}, "the first step does not lie within `steps`"),
        ({"name": "lion", "betas": [0.9]}, "betas"),
        ({"name": "adam", "epsilon": 0}, "epsilon"),
    ],
)
def test_what_makes_no_sense_is_refused(optimizer: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        tiny_study(training={"optimizer": optimizer, "schedule": "constant"})


def test_a_schedule_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="finds its own steps, whatever a schedule says"):
        tiny_study(training={"optimizer": "rprop", "schedule": "poly"})
    assert tiny_study(training={"optimizer": "rprop", "schedule": "constant"}).training.optimizer.name == "rprop"
