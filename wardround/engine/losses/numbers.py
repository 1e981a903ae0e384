"""Losses of numbers: outputs and truth are (samples, numbers) in units of the training cases' standard deviation, or
images (samples, channels, *grid), of which voxels may not count (`valid`).

All compute in float32, also under autocast. Where nothing of a sample counts, its loss is 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses.reading import VALID, full_precision
from wardround.engine.parts.losses.numbers import L1, MSE, Huber, LogCosh, Quantile, SmoothL1
from wardround.engine.sampling.batch import Batch


@dataclass(frozen=True)
class Compared:
    """Outputs beside the numbers that they should be.

    Attributes:
        outputs: (samples, numbers) or (samples, channels, *grid), float32 (float64 where they were that).
        truth: of the same shape.
        counted: (samples, 1, *grid) bool; None where everything counts.
    """

    outputs: Tensor
    truth: Tensor
    counted: Tensor | None

    def mean(self, values: Tensor) -> Tensor:
        """(samples,) mean of values, of the shape of the outputs, over what counts."""
        if self.counted is None:
            return values.flatten(1).mean(dim=1)
        kept = torch.where(self.counted, values, 0).flatten(1).sum(dim=1)
        return kept / self.counted.expand_as(values).flatten(1).sum(dim=1).clamp_min(1)


def compare(outputs: Tensor, batch: Batch) -> Compared:
    """The outputs beside a batch's numbers or image. Raises ValueError where it has neither, or of another shape."""
    name = "image" if outputs.ndim > 2 else "numbers"
    if name not in batch.truth:
        wanted = "an image" if outputs.ndim > 2 else "numbers"
        raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with {wanted}")
    kind = torch.float64 if outputs.dtype == torch.float64 else torch.float32
    truth, valid = batch.truth[name].to(kind), batch.truth.get(VALID)
    if truth.shape != outputs.shape:
        raise ValueError(f"the truth {name!r} has the shape {tuple(truth.shape)}, and the outputs {outputs.shape}")
    counted = None if valid is None or outputs.ndim <= 2 else valid.unsqueeze(1) != 0
    return Compared(outputs.to(kind), truth, counted)


class ErrorLoss(ABC):
    """The mean over a sample's numbers of what each error costs."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        with full_precision(outputs):
            compared = compare(outputs, batch)
            return compared.mean(self.cost(compared.outputs - compared.truth))

    @abstractmethod
    def cost(self, errors: Tensor) -> Tensor:
        """Of output minus truth, element by element."""


class MSELoss(ErrorLoss):
    """(y - t)^2."""

    def __init__(self, parameters: MSE) -> None:
        self._parameters = parameters

    def cost(self, errors: Tensor) -> Tensor:
        """Squares."""
        return errors.square()


class L1Loss(ErrorLoss):
    """|y - t|."""

    def __init__(self, parameters: L1) -> None:
        self._parameters = parameters

    def cost(self, errors: Tensor) -> Tensor:
        """Sizes."""
        return errors.abs()


class HuberLoss(ErrorLoss):
    """(y - t)^2 / 2 where |y - t| is at most d, else d (|y - t| - d / 2)."""

    def __init__(self, parameters: Huber) -> None:
        self._delta = parameters.delta

    def cost(self, errors: Tensor) -> Tensor:
        """One expression for both pieces: near zero its gradient is that of the square, which has no corner."""
        sizes = errors.abs()
        inside = sizes.clamp_max(self._delta)
        return inside * (sizes - inside / 2)


class SmoothL1Loss(HuberLoss):
    """Huber loss by its delta: (y - t)^2 / (2 b) where |y - t| is at most b, else |y - t| - b / 2."""

    def __init__(self, parameters: SmoothL1) -> None:
        super().__init__(Huber(delta=parameters.beta))

    def cost(self, errors: Tensor) -> Tensor:
        """By the delta."""
        return super().cost(errors) / self._delta


class LogCoshLoss(ErrorLoss):
    """log cosh(y - t)."""

    def __init__(self, parameters: LogCosh) -> None:
        self._parameters = parameters

    def cost(self, errors: Tensor) -> Tensor:
        """Without the exponential of a large number."""
        return errors + functional.softplus(-2 * errors) - log(2)


class QuantileLoss(ErrorLoss):
    """q (t - y) where the truth t is larger, (1 - q) (y - t) where it is smaller."""

    def __init__(self, parameters: Quantile) -> None:
        self._quantile = parameters.quantile

    def cost(self, errors: Tensor) -> Tensor:
        """The larger of the two lines."""
        return torch.maximum(-self._quantile * errors, (1 - self._quantile) * errors)
