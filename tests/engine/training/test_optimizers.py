"""An optimiser's state goes through bytes exactly, step counts included."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from wardround.engine.basics.problems import InputError
from wardround.engine.parts.optimization import SGD, AdamW
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
