"""Losses of numbers: outputs and truth are (samples, numbers), in units of the training cases' standard deviation.

All compute in float32, also under autocast.
"""

from __future__ import annotations

from torch import Tensor

from wardround.engine.parts.losses.numbers import L1, MSE, Huber
from wardround.engine.sampling.batch import Batch


class MSELoss:
    """(y - t)^2, the mean over a sample's numbers."""

    def __init__(self, parameters: MSE) -> None:
        self._parameters = parameters

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        return _errors(outputs, batch).square().mean(dim=1)


class L1Loss:
    """|y - t|, the mean over a sample's numbers."""

    def __init__(self, parameters: L1) -> None:
        self._parameters = parameters

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        return _errors(outputs, batch).abs().mean(dim=1)


class HuberLoss:
    """(y - t)^2 / 2 where |y - t| is at most d, else d (|y - t| - d / 2); the mean over a sample's numbers."""

    def __init__(self, parameters: Huber) -> None:
        self._delta = parameters.delta

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        errors = _errors(outputs, batch).abs()
        # One expression for both pieces: near zero its gradient is that of the square, which has no corner.
        inside = errors.clamp_max(self._delta)
        return (inside * (errors - inside / 2)).mean(dim=1)


def _errors(outputs: Tensor, batch: Batch) -> Tensor:
    if "numbers" not in batch.truth:
        raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with numbers")
    return outputs.float() - batch.truth["numbers"].float()
