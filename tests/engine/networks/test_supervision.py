"""Deep supervision: what a network says in training, and that nothing else depends on it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import save
from torch import nn

from tests.engine.networks.studies import NETWORKS, network_study, slim_study
from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.losses import supervised
from wardround.engine.networks import build_network, logits_of, outputs_of
from wardround.engine.parts import BreachError, Part
from wardround.engine.tasks import build_task
from wardround.engine.training import Learner

SUPERVISED = [part for part in NETWORKS if "deep_supervision" in part.parameters.model_fields]
UNET = {"name": "unet", "dimensions": 3, "filters": 4, "levels": 5, "deep_supervision": True}
TINY = {"name": "unet", "dimensions": 2, "filters": 4, "levels": 3, "dropout": 0.3, "deep_supervision": True}


@pytest.mark.parametrize("part", SUPERVISED, ids=lambda part: part.name)
def test_in_training_logits_are_on_several_grids_and_else_on_one(part: Part) -> None:
    study = slim_study(part, deep_supervision=True)
    network, image = build_network(study), torch.randn(1, 2, 32, 64)
    outputs = outputs_of(study, network, image)
    assert isinstance(outputs, tuple)
    assert [tuple(each.shape[2:]) for each in outputs] == [
        (32 // 2**place, 64 // 2**place) for place in range(len(outputs))
    ]
    assert torch.equal(logits_of(study, network, image), outputs[0])
    plain = build_network(slim_study(part))
    plain.load_state_dict({name: network.state_dict()[name] for name in plain.state_dict()})
    assert torch.equal(network.eval()(image), plain.eval()(image))


@pytest.mark.parametrize(("levels", "grids"), [(3, 2), (4, 2), (5, 3), (6, 4)])
def test_grids_are_those_that_nnunet_weighs(levels: int, grids: int) -> None:
    """It has one for each step of its decoder, and gives the coarsest no weight; of two it is left with both here."""
    study = network_study(UNET | {"levels": levels}, size=[64, 64, 64])
    assert len(study.model.parameters.scales) == grids  # type: ignore[attr-defined]


def test_grids_follow_the_strides() -> None:
    strides = [[1, 2, 2], [1, 2, 2], [2, 2, 2], [2, 2, 2]]
    kernels = [[1, 3, 3], [1, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]]
    study = network_study(UNET | {"strides": strides, "kernels": kernels}, size=[8, 32, 16])
    assert study.divisors == (4, 16, 16)
    outputs = outputs_of(study, build_network(study), torch.randn(1, 2, 8, 32, 16))
    assert [tuple(each.shape[2:]) for each in outputs] == [(8, 32, 16), (8, 16, 8), (8, 8, 4)]


def test_the_task_takes_all_of_them_and_a_prediction_the_finest() -> None:
    study = tiny_study(model=TINY)
    task, batch = build_task(study), DiscBatches(study).batch(0)
    network = task.network()
    torch.manual_seed(5)
    outputs = task.outputs(network, batch.image)
    assert isinstance(outputs, tuple)
    torch.testing.assert_close(task.losses(outputs, batch), supervised(task.losses, outputs, batch))
    assert not torch.equal(task.losses(outputs, batch), task.losses(outputs[0], batch))


def test_two_parts_of_a_run_equal_one_go_and_every_head_learns() -> None:
    study = tiny_study(model=TINY)
    whole, first, second = (Learner.create(study, 4, device="cpu") for _ in range(3))
    before = whole.weights()
    whole.train(DiscBatches(study), 0, 4)
    first.train(DiscBatches(study), 0, 2)
    second.load_weights(first.weights())
    second.load_optimizer_state(first.optimizer_state())
    second.train(DiscBatches(study), 2, 4)
    assert save(second.weights()) == save(whole.weights())
    assert all(not torch.equal(before[name], weight) for name, weight in whole.weights().items())


def test_a_study_without_it_has_the_digest_that_it_had() -> None:
    plain = {"name": "unet", "dimensions": 3, "filters": 4, "levels": 3}
    assert network_study(plain).digest == network_study({**plain, "deep_supervision": False, "strides": []}).digest
    assert network_study(plain).digest != network_study({**plain, "deep_supervision": True}).digest


class _Says(nn.Module):
    """Gives what it is told to."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        self.said = said

    def forward(self, image: torch.Tensor) -> Any:
        """Whatever came in."""
        return self.said


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (torch.zeros(1, 3, 16, 16, 16), "a tuple of 3 tensors"),
        ((torch.zeros(1, 3, 16, 16, 16),), "a tuple of 3 tensors"),
        (tuple(torch.zeros(1, 3, *[16] * 3) for _ in range(3)), r"numbers of shape \(1, 3, 8, 8, 8\)"),
    ],
)
def test_other_grids_than_those_that_it_states_are_told(said: Any, told: str) -> None:
    with pytest.raises(BreachError, match=told):
        outputs_of(network_study(UNET, size=[16, 16, 32]), _Says(said), torch.zeros(1, 2, 16, 16, 16))


def test_a_tuple_where_none_is_stated_is_told() -> None:
    study = network_study(UNET | {"deep_supervision": False}, size=[16, 16, 32])
    with pytest.raises(BreachError, match="got a tuple"):
        outputs_of(study, _Says((torch.zeros(1, 3, 16, 16, 16),)), torch.zeros(1, 2, 16, 16, 16))
