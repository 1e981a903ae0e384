"""Maps against what they are by definition: by hand, by axioms, and one sample at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from wardround.engine.basics.problems import InputError
from wardround.engine.explain.aim import Aim, score
from wardround.engine.explain.cam import features, grad_cam, grad_cam_plus_plus, layer_of
from wardround.engine.explain.gradients import guided_backpropagation, integrated_gradients
from wardround.engine.explain.maps import uncentred
from wardround.engine.explain.methods import METHODS, Question
from wardround.engine.explain.occlusion import boxes, occlusion
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.readable import ArrayReadable
from wardround.engine.targets import Activation
from wardround.engine.tasks.whole import centred

VECTOR = Aim(1, Activation.SOFTMAX)


def _classifier(dimensions: int = 2) -> nn.Module:
    convolution = nn.Conv2d if dimensions == 2 else nn.Conv3d
    pool = nn.AdaptiveAvgPool2d if dimensions == 2 else nn.AdaptiveAvgPool3d
    torch.manual_seed(3)
    layers = (convolution(2, 5, 3, padding=1), nn.ReLU(), convolution(5, 4, 3, stride=2, padding=1), nn.LeakyReLU(0.1))
    return nn.Sequential(*layers, pool(1), nn.Flatten(), nn.Linear(4, 3)).eval()


def _segmenter() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 3, padding=1)).eval()


def _images(samples: int, dimensions: int = 2) -> torch.Tensor:
    return torch.randn(samples, 2, *(12, 10, 8)[:dimensions], generator=torch.Generator().manual_seed(1))


NETWORKS = {"vectors": (_classifier(), VECTOR), "grids": (_segmenter(), Aim(2, Activation.SOFTMAX))}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_sample_is_explained_among_others_as_it_is_alone(method: object, kind: str) -> None:
    network, aim = NETWORKS[kind]
    images = _images(3)
    layer = layer_of(network, images) if method.has_layer else ""  # type: ignore[attr-defined]
    asked = Question(network, aim, layer, torch.zeros(2))
    together = method.explain(asked, images)  # type: ignore[attr-defined]
    assert together.shape == (3, 12, 10)
    assert together.abs().amax(dim=(1, 2)).min() > 0, "a map of nothing proves nothing"
    assert method.signed or together.min() >= 0  # type: ignore[attr-defined]
    for place in range(3):
        alone = method.explain(asked, images[place : place + 1])[0]  # type: ignore[attr-defined]
        torch.testing.assert_close(alone, together[place], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_volumes_are_explained_too_and_the_network_is_left_as_it_was(method: object) -> None:
    network, images = _classifier(3), _images(2, 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    layer = layer_of(network, images) if method.has_layer else ""  # type: ignore[attr-defined]
    found = method.explain(Question(network, VECTOR, layer, torch.zeros(2)), images)  # type: ignore[attr-defined]
    assert found.shape == (2, 12, 10, 8)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(weight.grad is None for weight in network.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in network.modules())


def test_grad_cam_of_a_network_that_ends_in_a_mean_is_its_linear_layers_map() -> None:
    """Zhou et al. 2016: there the weight of a feature map is that of the last layer, by the number of voxels."""
    network, images = _classifier(), _images(1)
    with torch.no_grad():
        maps = network[:4](images)
        by_hand = (network[6].weight[1].reshape(1, -1, 1, 1) * maps).sum(dim=1).clamp_min(0) / maps[0, 0].numel()
    expected = nn.functional.interpolate(by_hand[:, None], (12, 10), mode="bilinear")[:, 0]
    torch.testing.assert_close(grad_cam(network, images, VECTOR, "3"), expected)


def test_grad_cam_plus_plus_is_what_its_formula_says_voxel_by_voxel() -> None:
    network, images = _classifier(), _images(1)
    found = features(network, images, VECTOR, "3")
    values, slopes = found.values[0].numpy().astype(np.float64), found.gradient[0].numpy().astype(np.float64)
    coarse = np.zeros(values.shape[1:])
    for one, slope in zip(values, slopes, strict=True):
        weight = 0.0
        for place in np.ndindex(one.shape):
            g = slope[place]
            below = 2 * g**2 + one.sum() * g**3
            weight += (g**2 / below if below else 0.0) * max(g, 0.0)
        coarse += weight * one
    expected = nn.functional.interpolate(
        torch.from_numpy(coarse.clip(0))[None, None].float(), (12, 10), mode="bilinear"
    )
    torch.testing.assert_close(grad_cam_plus_plus(network, images, VECTOR, "3"), expected[:, 0], rtol=1e-4, atol=1e-6)


def test_integrated_gradients_of_a_linear_network_are_weight_times_image_and_always_sum_to_the_answer() -> None:
    images, empty = _images(2), torch.tensor([0.5, -1.0])
    linear = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 10, 3)).eval()
    with torch.no_grad():
        weight = linear[1].weight[1].reshape(1, 2, 12, 10)
        expected = (weight * (images - empty.reshape(1, 2, 1, 1))).sum(dim=1)
    torch.testing.assert_close(integrated_gradients(linear, images, VECTOR, empty), expected, rtol=1e-4, atol=1e-6)
    network = _classifier()
    with torch.no_grad():
        gained = network(images)[:, 1] - network(empty.reshape(1, 2, 1, 1).expand_as(images))[:, 1]
    found = integrated_gradients(network, images, VECTOR, empty).sum(dim=(1, 2))
    torch.testing.assert_close(found, gained, rtol=0.02, atol=0.002)


def test_guided_gradients_pass_only_where_value_and_gradient_are_positive() -> None:
    """A rectifier between two linear layers, by hand."""
    torch.manual_seed(2)
    network = nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.LeakyReLU(0.3), nn.Linear(6, 3)).eval()
    images = torch.randn(1, 2, 2, 2)
    with torch.no_grad():
        hidden = network[1](images.flatten(1))[0]
        passed = network[3].weight[1].clamp_min(0) * (hidden > 0)
        expected = (passed @ network[1].weight).reshape(1, 2, 2, 2).abs().amax(dim=1)
    torch.testing.assert_close(guided_backpropagation(network, images, VECTOR), expected)


def test_occlusion_is_what_the_answer_loses() -> None:
    network, images, empty = _classifier(), _images(1), torch.tensor([0.25, -0.5])
    found = occlusion(network, images, VECTOR, empty)
    with torch.no_grad():
        for box in list(boxes((12, 10)))[::13]:
            covered = images.clone()
            covered[0, 0][box], covered[0, 1][box] = 0.25, -0.5
            loss = (network(images) - network(covered))[0, 1]
            torch.testing.assert_close(found[0][box], loss.expand_as(found[0][box]))


@pytest.mark.parametrize("shape", [(12, 10), (3, 20, 8), (1, 9), (65, 64, 7)])
def test_boxes_cover_every_voxel_once(shape: tuple[int, ...]) -> None:
    covered = np.zeros(shape, dtype=int)
    for box in boxes(shape):
        covered[box] += 1
    assert (covered == 1).all()


def test_a_dense_output_counts_where_it_is_predicted_or_else_everywhere() -> None:
    outputs = torch.zeros(2, 3, 2, 2)
    outputs[0, 2, 0, 1] = outputs[1, 1] = 5.0
    weights = Aim(2, Activation.SOFTMAX).weights(outputs)
    assert weights[0, 2].tolist() == [[0, 1], [0, 0]]
    assert weights[1, 2].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert weights[:, :2].count_nonzero() == 0
    assert score(outputs, weights).tolist() == [5.0, 0.0]
    regions = Aim(1, Activation.SIGMOID).weights(outputs)
    assert regions[1, 1].tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_the_layer_is_the_last_of_the_coarsest_and_another_can_be_named() -> None:
    network, images = _classifier(), _images(1)
    assert layer_of(network, images) == "3"
    assert layer_of(network, images, "0") == "0"
    with pytest.raises(InputError, match="--layer: there is no layer of this name"):
        layer_of(network, images, "4")


def test_what_a_network_cannot_be_asked_is_told() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(2 * 12 * 10, 3)).eval()
    with pytest.raises(InputError, match="no layer of this network gives features"):
        layer_of(flat, _images(1))
    with pytest.raises(InputError, match="no rectifiers"):
        guided_backpropagation(flat, _images(1), VECTOR)


@pytest.mark.parametrize("shape", [(7, 9), (16, 8), (5, 20), (8, 8)])
def test_a_patch_goes_back_to_where_it_was_cut(shape: tuple[int, int]) -> None:
    image = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(1, *shape)
    back = uncentred(centred(ArrayReadable.of(image, plain_geometry(shape)), (8, 8))[0], shape)
    kept = back != 0
    assert kept.sum() == min(8, shape[0]) * min(8, shape[1])
    np.testing.assert_array_equal(back[kept], image[0][kept])
