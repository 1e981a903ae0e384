"""What joins a step: in which order, on which numbers; and where nothing joins, no bit changes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from tests.engine.training.fakes import DiscBatches, tiny_study
from wardround.engine.training import NO_HOOK, CheckpointPlan, Learner, StepRecord

STEPS = 4
SGD = {"optimizer": {"name": "sgd", "learning_rate": 0.05}, "schedule": "constant"}


def _learner(**training: object) -> Learner:
    return Learner.create(tiny_study(training=SGD | training), STEPS, device="cpu")


class Joining:
    """Notes what it was asked; adds `pull` times the sum of all weights to the loss, and `push` to every gradient."""

    def __init__(self, pull: float = 0.0, push: float = 0.0, shift: float = 0.0) -> None:
        self.pull, self.push, self.shift = pull, push, shift
        self.asked: list[str] = []
        self.norms: list[float] = []

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """Linear in the weights: its gradient is `pull` everywhere."""
        self.asked.append("loss")
        total = torch.stack([weight.sum() for weight in network.parameters()]).sum()
        return self.pull * total if self.pull else None

    def before_update(self, network: nn.Module) -> None:
        """Note the norm of the gradient, then push it."""
        self.asked.append("gradients")
        gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
        self.norms.append(float(torch.cat([gradient.flatten() for gradient in gradients]).norm()))
        for gradient in gradients:
            gradient += self.push

    def after_step(self, network: nn.Module) -> None:
        """Move all weights."""
        self.asked.append("weights")
        with torch.no_grad():
            for weight in network.parameters():
                weight += self.shift


def _trained(hook: object, **training: object) -> dict[str, Tensor]:
    learner = _learner(**training)
    learner.train(DiscBatches(learner.study), 0, 1, hook=hook)  # type: ignore[arg-type]
    return learner.weights()


def test_a_hook_that_does_nothing_changes_no_bit_nor_does_none() -> None:
    plain = _learner()
    plain.train(DiscBatches(plain.study), 0, STEPS)
    for hook in (NO_HOOK, Joining()):
        joined = _learner()
        joined.train(DiscBatches(joined.study), 0, STEPS, hook=hook)
        assert save(joined.weights()) == save(plain.weights())


def test_each_step_asks_for_loss_then_gradients_then_weights() -> None:
    hook, learner = Joining(), _learner()
    learner.train(DiscBatches(learner.study), 0, STEPS, hook=hook)
    assert hook.asked == ["loss", "gradients", "weights"] * STEPS


def test_a_term_of_the_loss_a_gradient_and_a_weight_each_enter_once() -> None:
    plain = _trained(NO_HOOK)
    moved = {
        "a term": (Joining(pull=0.5), -0.05 * 0.5),
        "a gradient": (Joining(push=0.25), -0.05 * 0.25),
        "a weight": (Joining(shift=0.125), 0.125),
    }
    names = dict(_learner().network.named_parameters())
    for hook, by in moved.values():
        found = _trained(hook)
        for name in names:
            torch.testing.assert_close(found[name], plain[name] + by, rtol=0, atol=1e-6)


def test_the_gradient_is_clipped_with_the_term_of_the_loss_and_before_it_is_changed() -> None:
    hook = Joining(pull=10.0, push=3.0)
    _trained(hook, gradient_clip=0.5)
    assert hook.norms == [pytest.approx(0.5, rel=1e-4)]


def test_the_loss_that_is_told_is_the_tasks() -> None:
    told: dict[bool, list[float]] = {}
    for pulled in (False, True):
        learner, losses = _learner(), list[float]()
        hook = Joining(pull=100.0) if pulled else NO_HOOK

        def note(record: StepRecord, losses: list[float] = losses) -> None:
            losses.append(record.loss)

        learner.train(DiscBatches(learner.study), 0, 1, on_step=note, hook=hook)
        told[pulled] = losses
    assert told[True] == told[False]


def test_an_interrupted_round_with_a_hook_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole = _learner()
    whole.train(DiscBatches(whole.study), 0, STEPS, hook=Joining(pull=0.1, push=0.1))
    plan = CheckpointPlan(tmp_path / "c", "work", every_steps=1)

    def kill(record: StepRecord) -> None:
        if record.step == 2:
            raise KeyboardInterrupt

    broken = _learner()
    with pytest.raises(KeyboardInterrupt):
        broken.train(DiscBatches(broken.study), 0, STEPS, on_step=kill, checkpoint=plan, hook=Joining(0.1, 0.1))
    resumed = _learner()
    resumed.train(DiscBatches(resumed.study), 0, STEPS, checkpoint=plan, hook=Joining(pull=0.1, push=0.1))
    assert save(resumed.weights()) == save(whole.weights())
