"""Regression: numbers of a case, from the whole image as one patch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wardround.engine.networks import Outputs
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study
from wardround.engine.tasks.whole import WholeImageTask


class RegressionTask(WholeImageTask):
    """Outputs are numbers in units of the training cases' spread about their mean, which the state tells; predictions
    and scores are in the unit of the table. Without a state the two are the same.

    Numbers are float64 in the unit of the table, where a date or an intensity may be a million times its spread, and
    float32 in units of the spread, in which the network computes.
    """

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        super().__init__(study, state)
        scales = state.truth
        self._mean = np.array([scale.mean for scale in scales] or [0.0], dtype=np.float64)
        self._spread = np.array([scale.deviation for scale in scales] or [1.0], dtype=np.float64)

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """(samples,) float32 losses in units of the spread, whatever the unit of the table is."""
        return super().losses(outputs, batch.with_truth(self._scaled))

    def in_units(self, vectors: np.ndarray) -> np.ndarray:
        """Times the spread, plus the mean, float64."""
        return vectors.astype(np.float64) * self._spread + self._mean

    def in_outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Minus the mean, by the spread, float32."""
        return ((vectors.astype(np.float64) - self._mean) / self._spread).astype(np.float32)

    def _scaled(self, numbers: Tensor) -> Tensor:
        mean, spread = (torch.from_numpy(each).to(numbers.device) for each in (self._mean, self._spread))
        return ((numbers.double() - mean) / spread).float()
