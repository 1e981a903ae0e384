"""What may join the steps of the training loop. The loop knows neither who it is nor why.

A hook holds nothing that grows from step to step: a round that was interrupted goes on at its checkpoint with a hook
that began anew. What it keeps is a function of the weights and of what it was given before the first step.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class StepHook(Protocol):
    """Joins each step of a loop, in this order: loss, gradients, weights."""

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """A scalar that is added to the loss before its gradient is taken, or None for nothing.

        The loss that is told of the step remains the task's.
        """

    def before_update(self, network: nn.Module) -> None:
        """Change the gradients in place: they are taken and clipped, and the optimiser uses what it finds."""

    def after_step(self, network: nn.Module) -> None:
        """Look at the weights that the step has made, or change them in place."""


class NoHook:
    """Joins nothing: the arithmetic is the study's alone."""

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """Nothing is added."""
        return None

    def before_update(self, network: nn.Module) -> None:
        """The gradients stay."""

    def after_step(self, network: nn.Module) -> None:
        """The weights stay."""


NO_HOOK = NoHook()
