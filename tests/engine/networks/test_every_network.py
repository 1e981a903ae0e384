"""Every network of the registry: samples by themselves, gradients by sample, and nothing in place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tests.engine.networks.studies import NETWORKS, is_dense, slim_study
from wardround.engine.networks import build_network
from wardround.engine.networks.taught import Accompanied
from wardround.engine.parts import Part

SIZE = (32, 64)
every_network = pytest.mark.parametrize("part", NETWORKS, ids=lambda part: part.name)


def _said(network: nn.Module, images: Tensor) -> Tensor:
    """All that a network is taught by: its outputs, and what it adds to their loss."""
    if isinstance(network, Accompanied):
        outputs, added = network.beside(images)
        return outputs + added.reshape(-1, *(1,) * (outputs.ndim - 1))
    outputs = network(images)
    return outputs


def _images(count: int) -> Tensor:
    return torch.randn(count, 2, *SIZE, generator=torch.Generator().manual_seed(1))


@every_network
def test_a_sample_is_not_changed_by_the_others_of_its_batch(part: Part) -> None:
    network, batch = build_network(slim_study(part)).double(), _images(2).double()
    together = network(batch)
    assert together.shape == (2, 3, *(SIZE if is_dense(part.name) else ()))
    torch.testing.assert_close(together[0], network(torch.cat([batch[:1], 5 - 3 * batch[1:]]))[0])


@every_network
def test_nothing_works_in_place(part: Part) -> None:
    network = build_network(slim_study(part))
    assert not any(getattr(layer, "inplace", False) for layer in network.modules())
    fired: set[str] = set()
    for name, layer in network.named_modules():
        layer.register_full_backward_hook(lambda *_, name=name: fired.add(name))
    _said(network, _images(1).requires_grad_()).sum().backward()
    lists = {name for name, layer in network.named_modules() if isinstance(layer, nn.ModuleList)}
    assert fired - {""} == {name for name, _ in network.named_modules()} - lists - {""}


@every_network
def test_every_weight_says_something(part: Part) -> None:
    """A gradient that is zero for every image would be a weight that does nothing."""
    network = build_network(slim_study(part)).double()
    outputs = _said(network, _images(3).double())
    (outputs * torch.randn_like(outputs)).sum().backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


@pytest.mark.slow
@every_network
def test_gradients_by_sample_equal_those_of_samples_alone(part: Part) -> None:
    network = build_network(slim_study(part)).double()
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss(weights: dict[str, Tensor], sample: Tensor) -> Tensor:
        outputs: Tensor = functional_call(network, weights, (sample.unsqueeze(0),))
        return outputs.square().mean()

    batch = _images(2).double()
    together = vmap(grad(loss), in_dims=(None, 0))(weights, batch)
    for index, sample in enumerate(batch):
        for name, alone in grad(loss)(weights, sample).items():
            torch.testing.assert_close(together[name][index], alone)
