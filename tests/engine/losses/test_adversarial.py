"""The game of two networks: each gets its own gradient from one loss, and steps go on exactly where they stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.engine.experiments.made import made_cohort, made_study
from wardround.engine.experiments import Workbench
from wardround.engine.losses.adversarial import AdversarialLoss
from wardround.engine.networks import build_network
from wardround.engine.networks.critic import CRITIC
from wardround.engine.parts.losses import Adversarial
from wardround.engine.study import Study

GAMES: dict[str, dict[str, Any]] = {
    "adversary": {"training": {"loss": {"name": "adversarial", "filters": 4, "levels": 2}, "steps": 6}},
    "variational": {
        "targets": ["grey"],
        "model": {"name": "autoencoder", "dimensions": 2, "filters": 4, "levels": 2, "kl_weight": 0.1},
        "training": {"loss": "l1", "steps": 6},
    },
    "diffusion": {
        "model": {"name": "diffusion", "dimensions": 2, "filters": 4, "levels": 2, "sampling_steps": 2},
        "training": {"loss": "mse", "steps": 6},
    },
}


@pytest.mark.parametrize("objective", ["least_squares", "cross_entropy"])
def test_the_maker_and_the_critic_each_go_down_their_own_loss(objective: Any) -> None:
    """The oracle: two losses by the book, and the gradient of each by one of the two networks."""
    study = made_study(training={"loss": {"name": "adversarial", "filters": 4, "levels": 2}})
    critic = build_network(study).get_submodule(CRITIC)
    loss = AdversarialLoss(Adversarial(objective=objective))
    images, made, wanted = (torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(n)) for n in range(3))
    made.requires_grad_()
    torch.autograd.backward(loss.against(critic, images, made, wanted).sum())
    found = [made.grad, *(weight.grad for weight in critic.parameters())]

    def missed(said: torch.Tensor, target: float) -> torch.Tensor:
        aim = torch.full_like(said, target)
        least = nn.functional.mse_loss if objective == "least_squares" else None
        each = least or nn.functional.binary_cross_entropy_with_logits
        return each(said, aim, reduction="mean") * len(said)

    fresh = made.detach().requires_grad_()
    (of_maker,) = torch.autograd.grad(missed(critic(images, fresh), 1), fresh)
    told = missed(critic(images, wanted), 1) + missed(critic(images, made.detach()), 0)
    of_critic = torch.autograd.grad(told / 2, [*critic.parameters()])
    for one, other in zip(found, (of_maker, *of_critic), strict=True):
        assert one is not None
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_cohort(tmp_path_factory.mktemp("made"), cases=6)


def _bench(study: Study, manifest: Path) -> Workbench:
    return Workbench.open(study, manifest, manifest.parent / "work", device="cpu", threads=1)


@pytest.mark.parametrize("name", GAMES)
def test_a_run_that_stops_after_any_step_goes_on_to_the_same_bytes(name: str, manifest: Path) -> None:
    bench = _bench(made_study(**GAMES[name]), manifest)
    whole = bench.learner(3)
    before = whole.weights()
    whole.train(bench.source(), 0, 3)
    assert any(not torch.equal(tensor, before[key]) for key, tensor in whole.weights().items())
    weights, state = before, None
    for step in range(3):
        learner = bench.learner(3)
        learner.load_weights(weights)
        if state is not None:
            learner.load_optimizer_state(state)
        learner.train(bench.source(), step, step + 1)
        weights, state = learner.weights(), learner.optimizer_state()
    for key, tensor in whole.weights().items():
        assert torch.equal(tensor, weights[key]), key


def test_an_adversary_moves_with_the_network_and_is_saved_with_it(manifest: Path) -> None:
    bench = _bench(made_study(**GAMES["adversary"]), manifest)
    learner = bench.learner(2)
    before = learner.weights()
    learner.train(bench.source(), 0, 2)
    moved = [key for key, tensor in learner.weights().items() if not torch.equal(tensor, before[key])]
    assert any(key.startswith(f"{CRITIC}.") for key in moved)
    assert any(not key.startswith(f"{CRITIC}.") for key in moved)
