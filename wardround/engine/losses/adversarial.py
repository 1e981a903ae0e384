"""The loss with an adversary: of outputs alone the absolute error, and in training beside a critic what both learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from wardround.engine.losses.numbers import L1Loss
from wardround.engine.parts.losses.adversarial import Adversarial
from wardround.engine.parts.losses.numbers import L1
from wardround.engine.sampling.batch import Batch


class AdversarialLoss:
    """Weighted absolute error; `against` adds the game of two networks."""

    def __init__(self, parameters: Adversarial) -> None:
        self._parameters, self._content = parameters, L1Loss(L1())

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32: the weighted absolute error."""
        return self._parameters.l1_weight * self._content(outputs, batch)

    def against(self, critic: nn.Module, images: Tensor, made: Tensor, wanted: Tensor) -> Tensor:
        """(samples,) float32: what the critic does not believe of made images, and what it tells wrongly.

        The first reaches the network that made them alone, as the critic's weights are constants there, and the second
        the critic alone: so one step of one optimiser moves both, each down its own loss.
        """
        constants = {name: weight.detach() for name, weight in critic.named_parameters()}
        deceived = self._missed(functional_call(critic, constants, (images, made)), wanted=1.0)
        told = self._missed(critic(images, wanted), wanted=1.0) + self._missed(
            critic(images, made.detach()), wanted=0.0
        )
        return deceived + told / 2

    def _missed(self, said: Tensor, *, wanted: float) -> Tensor:
        """(samples,): how far what is said of patches is from what it should be, the mean over patches."""
        target = torch.full_like(said, wanted, dtype=torch.float32)
        if self._parameters.objective == "least_squares":
            return (said.float() - target).square().flatten(1).mean(dim=1)
        each = functional.binary_cross_entropy_with_logits(said.float(), target, reduction="none")
        return each.flatten(1).mean(dim=1)
