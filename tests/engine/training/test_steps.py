"""What makes a step: batches that are gathered, gradients that are clipped, weights that are averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save
from torch import Tensor, nn

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.basics.problems import InputError
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study
from wardround.engine.training import CheckpointPlan, Learner
from wardround.engine.training.averaging import Average
from wardround.engine.training.clipping import clip_adaptively, clip_gradients

TOTAL = 8
PLAIN = {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2, "norm": "instance"}
"""Without dropout, which draws once for each batch that the network sees."""


class _Steps(DiscBatches):
    """As many samples as a step learns from."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        training = study.training.model_copy(update={"batch_size": study.training.samples_per_step})
        self._study = study.model_copy(update={"training": training})


def _learner(**training: object) -> Learner:
    changes = {"optimizer": {"name": "sgd", "learning_rate": 0.1}, **training}
    return Learner.create(tiny_study(training=changes, model=PLAIN), TOTAL, device="cpu")


def _bytes(learner: Learner) -> bytes:
    return save(learner.weights()) + learner.optimizer_state()


@pytest.mark.parametrize(("size", "count"), [(1, 4), (2, 2), (3, 2)])
def test_gathered_batches_are_one_large_one(size: int, count: int) -> None:
    """To rounding; the loss that is told, too."""
    whole = _learner(batch_size=size * count)
    parts = _learner(batch_size=size, accumulate=count)
    losses = [each.train(_Steps(each.study), 0, TOTAL) for each in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, weight in whole.weights().items():
        assert torch.allclose(weight, parts.weights()[name], atol=2e-6), name


def test_one_batch_alone_is_another_step_than_two_gathered() -> None:
    one, two = _learner(batch_size=2), _learner(batch_size=2, accumulate=2)
    for each in (one, two):
        each.train(_Steps(each.study), 0, 2)
    assert _bytes(one) != _bytes(two)


def test_no_more_than_a_batch_is_seen_at_once() -> None:
    learner, seen = _learner(batch_size=2, accumulate=3), list[int]()
    learner.network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    learner.train(_Steps(learner.study), 0, 2)
    assert seen == [2, 2, 2] * 2


def test_a_hook_joins_a_gathered_step_once() -> None:
    class Counting:
        """Adds the sum of the squared weights, and counts."""

        calls = 0

        def loss_term(self, network: nn.Module) -> Tensor:
            Counting.calls += 1
            return sum((weight.square().sum() for weight in network.parameters()), torch.zeros(()))

        def before_update(self, network: nn.Module) -> None: ...

        def after_step(self, network: nn.Module) -> None: ...

    whole, parts = _learner(batch_size=4), _learner(batch_size=2, accumulate=2)
    for each in (whole, parts):
        each.train(_Steps(each.study), 0, 3, hook=Counting())
    assert Counting.calls == 6
    for name, weight in whole.weights().items():
        assert torch.allclose(weight, parts.weights()[name], atol=2e-6), name


class _Poisoned(_Steps):
    """The last sample of a step is no number."""

    def batch(self, step: int) -> Batch:
        batch = super().batch(step)
        batch.image[-1] = torch.nan
        return replace(batch)


def test_a_loss_of_any_batch_that_is_no_number_stops_the_step() -> None:
    learner = _learner(batch_size=2, accumulate=2)
    before = save(learner.weights())
    with pytest.raises(InputError, match="the loss is nan"):
        learner.train(_Poisoned(learner.study), 0, 1)
    assert save(learner.weights()) == before


def _network() -> nn.Module:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3, 2))
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight)
    return network


def _clipped(mode: str, bound: float) -> nn.Module:
    network = _network()
    training = tiny_study(training={"gradient_clip": bound, "gradient_clip_mode": mode}).training
    clip_gradients(training, network.parameters())
    return network


def _gradients(network: nn.Module) -> list[Tensor]:
    return [weight.grad for weight in network.parameters() if weight.grad is not None]


def test_clipping_by_value_bounds_each() -> None:
    for found, free in zip(_gradients(_clipped("value", 0.3)), _gradients(_network()), strict=True):
        assert torch.equal(found, free.clamp(-0.3, 0.3))


def _slowly_clipped(weight: Tensor, gradient: Tensor, bound: float) -> Tensor:
    """Equation 3 of Brock et al. 2021, unit by unit."""
    units = [...] if weight.ndim <= 1 else [*range(len(weight))]
    found = gradient.clone()
    for unit in units:
        most = bound * max(float(weight[unit].norm()), 1e-3)
        norm = float(gradient[unit].norm())
        if norm > most:
            found[unit] = gradient[unit] * (most / norm)
    return found


@pytest.mark.parametrize("bound", [0.01, 1.0, 100.0])
def test_adaptive_clipping_is_the_papers(bound: float) -> None:
    network, clipped = _network(), _clipped("adaptive", bound)
    for weight, free, found in zip(network.parameters(), _gradients(network), _gradients(clipped), strict=True):
        assert torch.allclose(found, _slowly_clipped(weight.detach(), free, bound), atol=1e-7)


def test_a_unit_of_zeros_can_begin_and_one_without_gradient_stays() -> None:
    fresh, idle = nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.ones(2, 3))
    fresh.grad, idle.grad = torch.ones(2, 3), torch.zeros(2, 3)
    clip_adaptively([fresh, idle, nn.Parameter(torch.ones(1))], 0.1)
    assert bool((fresh.grad > 0).all())
    assert torch.equal(idle.grad, torch.zeros(2, 3))


def test_a_mode_without_a_bound_is_refused() -> None:
    with pytest.raises(ValidationError, match="no bound to clip gradients to"):
        tiny_study(training={"gradient_clip_mode": "value"})


def test_an_average_is_the_sum_that_its_formula_says() -> None:
    """Against weights that are kept, each with its share, and against torch's own once it no longer warms up."""
    network, kept = nn.Linear(2, 1), list[Tensor]()
    average = Average(network, 0.6)
    reference = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.6)
    )
    for step in range(40):
        with torch.no_grad():
            network.weight.add_(torch.full((1, 2), 0.1 * (step % 7 - 3)))
        kept.append(network.weight.detach().clone())
        average.follow(step)
        reference.update_parameters(network)
    expected = kept[0]
    for step, weight in enumerate(kept[1:], start=1):
        share = min(0.6, step / (step + 10))
        expected = share * expected + (1 - share) * weight
    own = network.weight.detach().clone()
    with average.in_place():
        assert torch.allclose(network.weight, expected, atol=1e-6)
        assert torch.allclose(network.weight, reference.module.weight, atol=1e-5)
    assert torch.equal(network.weight, own)


@pytest.mark.parametrize("cut", range(TOTAL + 1))
def test_an_average_goes_on_where_it_was(tmp_path: Path, cut: int) -> None:
    """Carried by hand, and through a checkpoint."""
    straight = _learner(ema=0.9)
    straight.train(_Steps(straight.study), 0, TOTAL)
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=1)
    first, second, third = (_learner(ema=0.9) for _ in range(3))
    first.train(_Steps(first.study), 0, cut, checkpoint=plan)
    second.load_weights(first.weights())
    second.load_optimizer_state(first.optimizer_state())
    second.train(_Steps(second.study), cut, TOTAL)
    third.train(_Steps(third.study), 0, TOTAL, checkpoint=plan)
    assert _bytes(straight) == _bytes(second) == _bytes(third)
    with straight.averaged(), third.averaged():
        assert save(straight.weights()) == save(third.weights())


def test_an_average_changes_no_step_and_without_one_the_weights_stand_for_themselves() -> None:
    plain, averaged = _learner(), _learner(ema=0.9)
    for each in (plain, averaged):
        each.train(_Steps(each.study), 0, TOTAL)
    weights = save(plain.weights())
    assert save(averaged.weights()) == weights
    with plain.averaged():
        assert save(plain.weights()) == weights
    with averaged.averaged():
        assert save(averaged.weights()) != weights
    assert save(averaged.weights()) == weights


def _without(tensors: dict[str, Tensor]) -> None:
    tensors.popitem()


def _endless(tensors: dict[str, Tensor]) -> None:
    next(iter(tensors.values())).fill_(torch.inf)


def _foreign(tensors: dict[str, Tensor]) -> None:
    tensors["average/other"] = torch.zeros(1)


@pytest.mark.parametrize("spoil", [_without, _endless, _foreign])
def test_an_average_of_other_weights_is_refused(spoil: Callable[[dict[str, Tensor]], Any]) -> None:
    average = Average(nn.Linear(2, 1), 0.9)
    tensors = average.tensors()
    average.restore(tensors)
    spoil(tensors)
    with pytest.raises(InputError, match="does not fit the model, or is not finite"):
        average.restore(tensors)


@pytest.mark.parametrize("value", [0.0, 1.0, 1.5])
def test_an_average_that_keeps_nothing_or_all_is_refused(value: float) -> None:
    with pytest.raises(ValidationError, match="ema"):
        tiny_study(training={"ema": value})
