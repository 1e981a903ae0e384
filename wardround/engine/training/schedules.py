"""Learning-rate schedules: the factor of the learning rate is a pure function of the step and the horizon."""

from __future__ import annotations

import math
from collections.abc import Callable

from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.optimization import Constant, Cosine
from wardround.engine.study import Study


def rate_factor(study: Study) -> Callable[[int, int], float]:
    """The study's schedule as a function of the step and the horizon. One that fails, or gives no number of 0 or more,
    is told as its package's."""
    use = study.training.schedule
    part, owner = use.part(Kind.SCHEDULE), use.part(Kind.SCHEDULE).owner
    factor = part.load()

    def of(step: int, total_steps: int) -> float:
        with answering(owner):
            found = float(factor(use.parameters, step, total_steps))
            if not 0 <= found < math.inf:
                raise BreachError(f"{found} at step {step} of {total_steps}", "a number of 0 or more")
            return found

    return of


def cosine_factor(parameters: Cosine, step: int, total_steps: int) -> float:
    """Linear warm-up over `warmup * total_steps`, then half a cosine from 1 to `minimum` (Loshchilov & Hutter 2017).

    `step` counts from 0; the first step of the decay has the factor 1, a step at the horizon would have `minimum`.
    """
    warmup = round(parameters.warmup * total_steps)
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    return parameters.minimum + (1 - parameters.minimum) * 0.5 * (1 + math.cos(math.pi * progress))


def constant_factor(parameters: Constant, step: int, total_steps: int) -> float:
    """Always 1."""
    return 1.0
