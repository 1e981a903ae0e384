"""Between the units of the training cases' spread, in which a network learns numbers, and those of tables and files."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wardround.engine.preprocessing.fitted import FittedState


class Units:
    """Of each output the mean and the spread over the training cases. Without a state the two units are the same.

    Numbers are float64 outside, where a date or an intensity may be a million times its spread, and float32 in units of
    the spread, in which the network computes. Outputs lie along an axis of their own.
    """

    def __init__(self, state: FittedState) -> None:
        scales = state.truth
        self._mean = np.array([scale.mean for scale in scales] or [0.0], dtype=np.float64)
        self._spread = np.array([scale.deviation for scale in scales] or [1.0], dtype=np.float64)

    def outside(self, outputs: np.ndarray, axis: int) -> np.ndarray:
        """Outputs of a network times the spread, plus the mean, float64."""
        mean, spread = (_along(each, outputs.ndim, axis) for each in (self._mean, self._spread))
        return np.asarray(outputs.astype(np.float64) * spread + mean)

    def within(self, numbers: np.ndarray, axis: int) -> np.ndarray:
        """The way back: minus the mean, by the spread, float32."""
        mean, spread = (_along(each, numbers.ndim, axis) for each in (self._mean, self._spread))
        return np.asarray(((numbers.astype(np.float64) - mean) / spread).astype(np.float32))

    def learnt(self, numbers: Tensor, axis: int) -> Tensor:
        """`within` of a tensor, where it lies."""
        pair = (_along(each, numbers.ndim, axis) for each in (self._mean, self._spread))
        mean, spread = (torch.from_numpy(each).to(numbers.device) for each in pair)
        return ((numbers.double() - mean) / spread).float()


def _along(values: np.ndarray, axes: int, axis: int) -> np.ndarray:
    return values.reshape([-1 if place == axis else 1 for place in range(axes)])
