"""Every network in 2D and 3D with every norm: shapes, gradients, independence of samples, files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from tests.engine.networks.studies import network_study
from wardround.engine.networks import build_network
from wardround.engine.networks.build import norm_layers
from wardround.engine.networks.layers import NORMS

SMALL = {"filters": 4, "levels": 3}


def _variants() -> Iterator[Any]:
    """Every network, dimension and norm, small."""
    for dimensions in (2, 3):
        for norm in ("instance", "batch", "group"):
            for name in ("unet", "resunet"):
                yield pytest.param(
                    {"name": name, "dimensions": dimensions, "norm": norm, **SMALL}, id=f"{name}-{dimensions}d-{norm}"
                )
            for depth in (10, 50):
                model = {
                    "name": "resnet",
                    "depth": depth,
                    "dimensions": dimensions,
                    "norm": norm,
                    "filters": 4,
                    "stem": "small",
                }
                yield pytest.param(model, id=f"resnet{depth}-{dimensions}d-{norm}")


VARIANTS = tuple(_variants())
INDEPENDENT = tuple(variant for variant in VARIANTS if "batch" not in str(variant.id))


def images(model: dict[str, Any], count: int = 2) -> Tensor:
    """Random images of 16 voxels a side with two channels."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 2, *(16,) * model["dimensions"], generator=generator)


@pytest.mark.parametrize("model", VARIANTS)
def test_logits_have_a_channel_per_class_and_every_parameter_learns(model: dict[str, Any]) -> None:
    network = build_network(network_study(model))
    outputs = network(images(model))
    grid = () if model["name"] == "resnet" else (16,) * model["dimensions"]
    assert outputs.shape == (2, 3, *grid)
    outputs.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("model", VARIANTS)
def test_every_norm_layer_is_the_one_that_the_study_names(model: dict[str, Any]) -> None:
    layers = norm_layers(build_network(network_study(model)))
    assert layers
    named = NORMS[model["norm"], model["dimensions"]]
    assert all(isinstance(layer, named) for layer in layers.values()), layers
    assert all(layer.weight is not None and layer.bias is not None for layer in layers.values()), "not affine"


@pytest.mark.parametrize("model", INDEPENDENT)
def test_a_sample_is_not_changed_by_the_others_of_its_batch(model: dict[str, Any]) -> None:
    network = build_network(network_study(model)).double()
    batch = images(model, 3).double()
    other = torch.cat([batch[:1], 5 - 3 * batch[1:]])
    torch.testing.assert_close(network(batch)[0], network(other)[0])
    torch.testing.assert_close(network(batch)[0], network(batch[:1])[0])


@pytest.mark.parametrize("model", VARIANTS)
def test_weights_survive_a_file(model: dict[str, Any], tmp_path: Path) -> None:
    network = build_network(network_study(model))
    network(images(model))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    other = build_network(network_study(model, seed=7))
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(network.eval()(images(model)), other.eval()(images(model)))


@pytest.mark.parametrize("model", INDEPENDENT)
def test_per_sample_gradients_equal_those_of_samples_alone(model: dict[str, Any]) -> None:
    network = build_network(network_study(model)).double()
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}

    def loss(weights: dict[str, Tensor], sample: Tensor) -> Tensor:
        outputs: Tensor = functional_call(network, weights, (sample.unsqueeze(0),))
        return outputs.square().mean()

    batch = images(model).double()
    together = vmap(grad(loss), in_dims=(None, 0))(parameters, batch)
    for index, sample in enumerate(batch):
        for name, alone in grad(loss)(parameters, sample).items():
            torch.testing.assert_close(together[name][index], alone)


@pytest.mark.parametrize("model", VARIANTS)
def test_nothing_works_in_place(model: dict[str, Any]) -> None:
    network = build_network(network_study(model))
    assert not any(getattr(layer, "inplace", False) for layer in network.modules())
    fired: list[str] = []
    for name, layer in network.named_modules():
        layer.register_full_backward_hook(lambda *_, name=name: fired.append(name))
    network(images(model).requires_grad_()).sum().backward()
    lists = {name for name, layer in network.named_modules() if isinstance(layer, nn.ModuleList)}
    assert set(fired) == {name for name, _ in network.named_modules()} - lists


@pytest.mark.parametrize("name", ["unet", "resunet"])
def test_a_unet_takes_any_multiple_of_its_reduction(name: str) -> None:
    model = {"name": name, "dimensions": 3, "norm": "instance", **SMALL}
    network = build_network(network_study(model))
    assert network(torch.zeros(1, 2, 8, 20, 12)).shape == (1, 3, 8, 20, 12)


@pytest.mark.parametrize("depth", [10, 18, 34, 50])
def test_a_resnet_has_its_depth_and_the_papers_size(depth: int) -> None:
    model = {"name": "resnet", "dimensions": 2, "depth": depth, "filters": 64, "norm": "batch"}
    network = build_network(network_study(model, inputs=["a", "b", "c"], size=[64, 64]))
    weighted = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    shortcuts = [layer for name, layer in network.named_modules() if name.endswith("shortcut.0")]
    assert len(weighted) - len(shortcuts) == depth
    published = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032}  # of torchvision, with 1,000 classes
    if depth in published:
        head = network[-1]
        assert isinstance(head, nn.Linear)
        body = sum(parameter.numel() for parameter in network.parameters()) - sum(p.numel() for p in head.parameters())
        assert body + (head.in_features + 1) * 1000 == published[depth]


@pytest.mark.parametrize(("stem", "reduction"), [("large", 32), ("small", 8)])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_resnet_reduces_its_grid_as_stated(dimensions: int, stem: str, reduction: int) -> None:
    model = {"name": "resnet", "dimensions": dimensions, "depth": 10, "filters": 4, "stem": stem}
    study = network_study(model, size=[64] * dimensions)
    features = build_network(study)[:-3](torch.zeros(1, 2, *(64,) * dimensions))
    assert features.shape[2:] == (64 // reduction,) * dimensions


def test_dropout_acts_in_training_only() -> None:
    model = {"name": "resunet", "dimensions": 2, "norm": "instance", "dropout": 0.5, **SMALL}
    network, image = build_network(network_study(model)), images(model)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))
