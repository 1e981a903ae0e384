"""Learning-rate schedules: the factor of the learning rate is a pure function of the step and the horizon."""

from __future__ import annotations

import math

from wardround.engine.parts.optimization import Constant, Cosine


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
