"""An exponential moving average of the weights, which is validated and saved in their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import Findings

PREFIX = "average/"
"""Of the names under which it is kept beside the optimiser's state."""
_EARLY = 10
"""Steps over which it forgets how it began."""


class Average:
    """Of the weights that are learned. Buffers, such as the statistics of batch norm, are those of the network."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay, self._network = decay, network
        self._means = {name: weight.detach().clone() for name, weight in network.named_parameters()}

    def follow(self, step: int) -> None:
        """Take in the weights after a step, counted from 0; the first ones as they are.

        At first less is kept than `decay` says, so that the average does not remember the initial weights.
        """
        kept = min(self._decay, step / (step + _EARLY))
        for name, weight in self._network.named_parameters():
            self._means[name].lerp_(weight.detach(), 1 - kept)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the average as its weights while the block runs, and its own again afterwards."""
        own = {name: weight.detach().clone() for name, weight in self._network.named_parameters()}
        self._put(self._means)
        try:
            yield
        finally:
            self._put(own)

    def tensors(self) -> dict[str, Tensor]:
        """The average on the CPU, by names with the prefix."""
        return {PREFIX + name: mean.to("cpu", copy=True).contiguous() for name, mean in self._means.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave. Raises `InputError` where it is of other weights, or not finite."""
        found, findings = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}, Findings()
        for name in sorted({*found, *self._means}):
            fits = name in found and name in self._means and found[name].shape == self._means[name].shape
            if not fits or not bool(torch.isfinite(found[name]).all()):
                findings.add("the average of the weights does not fit the model, or is not finite", where=name)
        findings.raise_if_any()
        for name, mean in self._means.items():
            mean.copy_(found[name])

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in self._network.named_parameters():
            weight.copy_(weights[name])
