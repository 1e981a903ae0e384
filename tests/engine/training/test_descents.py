"""The optimisers that torch has not, against slow oracles that are written from the papers, and against MONAI's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from wardround.engine.parts import Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.optimization import AdEMAMix, Adopt, Lion, NovoGrad
from wardround.engine.training.descents import build_novograd

STEPS = 12
Walk = Iterator[np.ndarray]


def _gradients() -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.normal(0, 0.5, (3, 2)) for _ in range(STEPS)]


def _novograd(settings: NovoGrad, weights: np.ndarray, gradients: list[np.ndarray]) -> Walk:
    """Algorithm 1: v_1 = ||g_1||^2 and m_1 = g_1 / ||g_1|| + d w_1, then means of both."""
    (first, second), mean, square = settings.betas, 0.0, 0.0
    for step, gradient in enumerate(gradients):
        norm = float((gradient**2).sum())
        square = norm if step == 0 else second * square + (1 - second) * norm
        scaled = gradient / (math.sqrt(square) + settings.epsilon) + settings.weight_decay * weights
        mean = first * mean + scaled
        weights = weights - settings.learning_rate * mean
        yield weights


def _ademamix(settings: AdEMAMix, weights: np.ndarray, gradients: list[np.ndarray]) -> Walk:
    """Algorithm 1 with the schedulers of section 3: f_alpha, and f_beta3 that is linear in the half-life."""
    first, second, third = settings.betas
    fast = slow = square = np.zeros_like(weights)
    for step, gradient in enumerate(gradients, start=1):
        alpha, kept = settings.alpha, third
        if settings.warmup:
            share = step / settings.warmup
            alpha = min(share * settings.alpha, settings.alpha)
            low, high = math.log(first), math.log(third)
            kept = min(math.exp(low * high / ((1 - share) * high + share * low)), third)
        fast = first * fast + (1 - first) * gradient
        slow = kept * slow + (1 - kept) * gradient
        square = second * square + (1 - second) * gradient**2
        spread = np.sqrt(square / (1 - second**step)) + settings.epsilon
        moved = (fast / (1 - first**step) + alpha * slow) / spread
        weights = weights - settings.learning_rate * (moved + settings.weight_decay * weights)
        yield weights


def _lion(settings: Lion, weights: np.ndarray, gradients: list[np.ndarray]) -> Walk:
    """Algorithm 2: the sign of an interpolation, then the mean with the other beta."""
    (first, second), mean = settings.betas, np.zeros_like(weights)
    for gradient in gradients:
        direction = np.sign(first * mean + (1 - first) * gradient)
        weights = weights - settings.learning_rate * (direction + settings.weight_decay * weights)
        mean = second * mean + (1 - second) * gradient
        yield weights


def _adopt(settings: Adopt, weights: np.ndarray, gradients: list[np.ndarray]) -> Walk:
    """Algorithm 2: v_0 = g_0^2; the square of a gradient joins v only after the step."""
    (first, second), mean, square = settings.betas, np.zeros_like(weights), gradients[0] ** 2
    yield weights
    for step, gradient in enumerate(gradients[1:], start=1):
        scaled = gradient / np.maximum(np.sqrt(square), settings.epsilon)
        mean = first * mean + (1 - first) * np.clip(scaled, -(step**0.25), step**0.25)
        weights = weights * (1 - settings.learning_rate * settings.weight_decay) - settings.learning_rate * mean
        square = second * square + (1 - second) * gradient**2
        yield weights


ORACLES: list[tuple[str, Parameters, Callable[..., Walk]]] = [
    ("novograd", NovoGrad(learning_rate=0.1, weight_decay=0.05), _novograd),
    ("novograd", NovoGrad(learning_rate=0.01, betas=(0.9, 0.5)), _novograd),
    ("ademamix", AdEMAMix(learning_rate=0.1, weight_decay=0.05, betas=(0.8, 0.9, 0.99)), _ademamix),
    ("ademamix", AdEMAMix(learning_rate=0.1, betas=(0.8, 0.9, 0.99), warmup=8), _ademamix),
    ("lion", Lion(learning_rate=0.1, weight_decay=0.05), _lion),
    ("adopt", Adopt(learning_rate=0.1, weight_decay=0.05, betas=(0.9, 0.8)), _adopt),
    ("adopt", Adopt(learning_rate=0.1), _adopt),
]


def _walk(optimizer: Optimizer, weight: nn.Parameter) -> Walk:
    for gradient in _gradients():
        weight.grad = torch.from_numpy(gradient)
        optimizer.step()
        yield weight.detach().numpy().copy()


@pytest.mark.parametrize(("name", "settings", "oracle"), ORACLES)
def test_every_step_is_the_papers(name: str, settings: Any, oracle: Callable[..., Walk]) -> None:
    weight = nn.Parameter(torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2))
    expected = oracle(settings, weight.detach().numpy().copy(), _gradients())
    optimizer = builtin_and_plugins().find(Kind.OPTIMIZER, name).make(settings, [weight])
    for ours, theirs in zip(_walk(optimizer, weight), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.slow  # MONAI takes ten seconds to load
def test_novograd_is_monais() -> None:
    from monai.optimizers import Novograd

    ours, theirs = (nn.Parameter(torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(3, 2)) for _ in range(2))
    first = build_novograd(NovoGrad(learning_rate=0.1, weight_decay=0.05), [ours])
    second = Novograd([theirs], lr=0.1, betas=(0.95, 0.98), weight_decay=0.05)
    for one, other in zip(_walk(first, ours), _walk(second, theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("name", ["novograd", "ademamix", "lion", "adopt"])
def test_gradients_of_nothing_and_weights_without_one_do_no_harm(name: str) -> None:
    part = builtin_and_plugins().find(Kind.OPTIMIZER, name)
    still, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = part.make(part.parameters(), [still, idle])
    for _ in range(3):
        still.grad = torch.zeros(2)
        optimizer.step()
    assert torch.equal(still.detach(), torch.ones(2))
    assert idle not in optimizer.state
    still.grad = torch.ones(2)
    optimizer.step()
    assert torch.isfinite(still).all()
    assert bool((still < 1).all())
