"""How long a run is and when it validates: a pure function of the study and the sizes of its cases."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wardround.engine.inference import quick
from wardround.engine.inference.windows import window_starts
from wardround.engine.study import Study
from wardround.engine.targets import target_of

Shape = tuple[int, ...]
# A training step costs about three forward passes: one forward, and a backward pass of twice its work.
_PASSES_PER_STEP = 3
_VALIDATION_SHARE = 0.2
_FEWEST_VALIDATIONS = 5


@dataclass(frozen=True)
class RunLength:
    """Steps of a run.

    Attributes:
        total_steps: the horizon of the schedule.
        steps_per_epoch: steps in which every training case gives its patches once.
        validate_every: steps between two validations; the last step is always validated.
    """

    total_steps: int
    steps_per_epoch: int
    validate_every: int

    def segments(self, done: int) -> Iterator[tuple[int, int]]:
        """The stretches (start, stop) between validations that are still to do after `done` validated steps."""
        for start in range(done, self.total_steps, self.validate_every):
            yield start, min(start + self.validate_every, self.total_steps)

    @property
    def validations(self) -> int:
        """How often the run validates."""
        return math.ceil(self.total_steps / self.validate_every)


def run_length(study: Study, steps_per_epoch: int, validation: Sequence[Shape]) -> RunLength:
    """The study's steps, validated after whole epochs so that validation takes about a fifth of the run or less.

    `validation` has the shape of each validation case once it is preprocessed. The cost is counted in forward passes of
    a patch, not measured: the best model must not depend on the clock. A run validates five times at least, however
    dear that is. What the study says of it itself holds in any case.
    """
    total = study.training.steps or study.training.epochs * steps_per_epoch
    if study.training.validate_every is not None:
        return RunLength(total, steps_per_epoch, min(study.training.validate_every * steps_per_epoch, total))
    epoch = steps_per_epoch * study.training.samples_per_step * _PASSES_PER_STEP
    cost = sum(_windows(study, shape) for shape in validation)
    epochs = math.ceil(cost / epoch * (1 - _VALIDATION_SHARE) / _VALIDATION_SHARE)
    every = min(max(1, epochs) * steps_per_epoch, math.ceil(total / _FEWEST_VALIDATIONS))
    return RunLength(total, steps_per_epoch, every)


def _windows(study: Study, shape: Shape) -> int:
    """Forward passes of a patch that a validation takes for a case."""
    if not target_of(study).on_grid:
        return 1
    sides = zip(shape, study.patches.size, strict=True)
    overlap = quick(study.inference).overlap
    return math.prod(len(window_starts(max(size, side), side, overlap)) for size, side in sides)
