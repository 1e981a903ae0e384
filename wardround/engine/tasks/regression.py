"""Regression: numbers of a case, from the whole image as one patch."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from wardround.engine.networks import Outputs
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study
from wardround.engine.tasks.units import Units
from wardround.engine.tasks.whole import WholeImageTask


class RegressionTask(WholeImageTask):
    """Outputs are numbers in units of the training cases' spread about their mean, which the state tells; predictions
    and scores are in the unit of the table. Without a state the two are the same."""

    def __init__(self, study: Study, state: FittedState = EMPTY) -> None:
        super().__init__(study, state)
        self._units = Units(state)

    def losses(self, outputs: Outputs, batch: Batch) -> Tensor:
        """(samples,) float32 losses in units of the spread, whatever the unit of the table is."""
        return super().losses(outputs, batch.with_truth(lambda numbers: self._units.learnt(numbers, 1)))

    def in_units(self, vectors: np.ndarray) -> np.ndarray:
        """Times the spread, plus the mean, float64."""
        return self._units.outside(vectors, 1)

    def in_outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Minus the mean, by the spread, float32."""
        return self._units.within(vectors, 1)
