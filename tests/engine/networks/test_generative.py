"""Networks that are taught in a way of their own: codes that are drawn, and images out of noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from tests.engine.networks.studies import network_study
from wardround.engine.networks import build_network
from wardround.engine.networks.autoencoder import AutoencoderNetwork, divergence
from wardround.engine.networks.diffusion import DiffusionNetwork, kept, kept_by
from wardround.engine.networks.sdnet import SDNetwork
from wardround.engine.networks.taught import Accompanied, Encoding, Taught


def _network(name: str, dimensions: int = 2, **changes: Any) -> torch.nn.Module:
    model = {"name": name, "dimensions": dimensions, "filters": 4, "levels": 3, **changes}
    return build_network(network_study(model, size=[16] * dimensions))


def _images(channels: int = 2, samples: int = 2, dimensions: int = 2) -> Tensor:
    return torch.randn(samples, channels, *(16,) * dimensions, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_code_is_as_narrow_as_it_is_told_to_be(dimensions: int) -> None:
    network = _network("autoencoder", dimensions, features=5)
    assert isinstance(network, Encoding)
    assert network.encoded(_images(dimensions=dimensions)).shape == (2, 5, *(4,) * dimensions)
    assert network(_images(dimensions=dimensions)).shape == (2, 3, *(16,) * dimensions)


def test_the_image_is_made_of_its_code_alone() -> None:
    """No skip connection: two images of one code would be the same."""
    network = _network("autoencoder")
    assert isinstance(network, AutoencoderNetwork)
    images = _images()
    torch.testing.assert_close(network(images), network.decoder(network.encoded(images)))


def test_a_variational_code_is_drawn_in_training_alone_and_costs_its_divergence() -> None:
    network, images = _network("autoencoder", kl_weight=2.0).eval(), _images()
    assert isinstance(network, AutoencoderNetwork)
    assert isinstance(network, Taught)
    assert network.log_variance is not None
    with torch.no_grad():
        assert torch.equal(network(images), network(images))
        torch.manual_seed(1)
        first, cost = network.taught(images, images)
        again, _ = network.taught(images, images)
        torch.manual_seed(1)
        assert torch.equal(network.taught(images, images)[0], first)
        features = network.encoder(images)
        mean, spread = network.mean(features), (network.log_variance(features) / 2).exp()
    assert not torch.equal(first, again)
    each = kl_divergence(Normal(mean, spread), Normal(torch.zeros_like(mean), torch.ones_like(mean)))
    assert cost is not None
    torch.testing.assert_close(cost, 2 * each.flatten(1).sum(dim=1) / 256, rtol=1e-4, atol=1e-6)
    assert float(divergence(torch.zeros(1, 3, 2), torch.zeros(1, 3, 2))) == 0


def test_noise_follows_the_cosine_schedule() -> None:
    """Nichol & Dhariwal 2021, equation 17."""
    times = np.linspace(0, 1, 11)
    angles = np.cos((times + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose([kept(time) for time in times], angles / angles[0], atol=1e-12)
    np.testing.assert_allclose(kept_by(torch.from_numpy(times)).numpy(), angles / angles[0], atol=1e-12)
    assert kept(0.0) == 1
    assert kept(1.0) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_network_that_knows_the_image_makes_it_in_any_number_of_steps(dimensions: int) -> None:
    truth = _images(3, dimensions=dimensions)
    for steps in (1, 4):
        network = _network("diffusion", dimensions, sampling_steps=steps)
        assert isinstance(network, DiffusionNetwork)
        network.denoised = lambda images, noisy, times: truth  # type: ignore[method-assign, assignment]
        torch.testing.assert_close(network(_images(dimensions=dimensions)), truth, rtol=1e-4, atol=1e-4)


def test_samples_go_from_noise_towards_what_was_learned_of_it() -> None:
    """Of a Gaussian truth the best denoiser is known; deterministic steps must then give that Gaussian's spread."""
    network = _network("diffusion", sampling_steps=200)
    assert isinstance(network, DiffusionNetwork)
    spread = 0.5

    def best(images: Tensor, noisy: Tensor, times: Tensor) -> Tensor:
        share = kept_by(times).reshape(-1, 1, 1, 1)
        return share.sqrt() * spread**2 / (share * spread**2 + 1 - share) * noisy

    network.denoised = best  # type: ignore[method-assign, assignment]
    made = network(torch.zeros(1, 2, 64, 64))
    assert float(made.std()) == pytest.approx(spread, rel=0.05)


def test_what_it_learns_from_is_the_truth_behind_noise_of_all_times() -> None:
    network, seen = _network("diffusion"), list[tuple[Tensor, Tensor]]()
    assert isinstance(network, DiffusionNetwork)
    network.denoised = lambda images, noisy, times: seen.append((noisy, times))  # type: ignore[method-assign, assignment, func-returns-value]
    truth = torch.full((400, 3, 16, 16), 2.0)
    network.taught(_images(2, 400), truth)
    ((noisy, times),) = seen
    assert times.min() < 0.05
    assert times.max() > 0.95
    share = kept_by(times)
    torch.testing.assert_close(noisy.flatten(1).mean(dim=1), 2 * share.sqrt(), atol=0.2, rtol=0)
    torch.testing.assert_close(noisy.flatten(1).var(dim=1), 1 - share, atol=0.25, rtol=0)


def test_every_prediction_begins_with_the_noise_that_is_kept_with_the_weights() -> None:
    network = _network("diffusion", sampling_steps=2).eval()
    assert "noise" in network.state_dict()
    image = _images(samples=1)
    with torch.no_grad():
        torch.manual_seed(1)
        first = network(image)
        torch.manual_seed(2)
        torch.testing.assert_close(network(torch.cat([image, 1 - image]))[:1], first)


def test_anatomy_is_zeros_and_ones_and_alone_says_the_classes() -> None:
    network = _network("sdnet", anatomy=5).eval()
    assert isinstance(network, SDNetwork)
    maps = network.maps(_images())
    assert maps.shape == (2, 5, 16, 16)
    torch.testing.assert_close(maps, maps.round())
    assert float(maps.sum(dim=1).detach().max()) <= 1 + 1e-6
    torch.testing.assert_close(network(_images()), network.segmentor(maps))


def test_what_is_added_is_the_weighted_sum_of_three_differences() -> None:
    images = _images()
    added = {}
    for name in ("kl_weight", "image_weight", "looks_weight"):
        weights = dict.fromkeys(("kl_weight", "image_weight", "looks_weight"), 0.0) | {name: 1.0}
        network = _network("sdnet", **weights)
        assert isinstance(network, Accompanied)
        torch.manual_seed(7)
        added[name] = network.beside(images)[1].detach()
        assert added[name].shape == (2,)
        assert bool((added[name] > 0).all())
    torch.manual_seed(7)
    both = _network("sdnet", kl_weight=0.5, image_weight=2.0, looks_weight=3.0)
    assert isinstance(both, Accompanied)
    logits, found = both.beside(images)
    expected = 0.5 * added["kl_weight"] + 2 * added["image_weight"] + 3 * added["looks_weight"]
    torch.testing.assert_close(found.detach(), expected)
    torch.testing.assert_close(logits, both(images))


def test_the_image_is_made_again_better_by_learning() -> None:
    network, images = _network("sdnet", kl_weight=0.0, looks_weight=0.0, image_weight=1.0), _images()
    assert isinstance(network, Accompanied)
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    apart = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = network.beside(images)[1].mean()
        torch.autograd.backward(loss)
        optimizer.step()
        apart.append(float(loss.detach()))
    assert apart[-1] < 0.7 * apart[0]
