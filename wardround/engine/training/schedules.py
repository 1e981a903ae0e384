"""Learning-rate schedules: the factor of the learning rate is a pure function of the step and the horizon."""

from __future__ import annotations

import math
from collections.abc import Callable

from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.optimization.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    ExpRange,
    OneCycle,
    Poly,
    Step,
    Triangle,
    Triangular,
    WarmedParameters,
)
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
    return _warmed(parameters.warmup, step, total_steps, lambda done, left: _cosine(parameters.minimum, done / left))


def constant_factor(parameters: WarmedParameters, step: int, total_steps: int) -> float:
    """1, after a warm-up."""
    return _warmed(parameters.warmup, step, total_steps, lambda done, left: 1.0)


def cosine_restarts_factor(parameters: CosineRestarts, step: int, total_steps: int) -> float:
    """Half a cosine from 1 to `minimum` over `first` of the steps, again over `growth` times as many, and so on."""

    def factor(done: int, left: int) -> float:
        length = _steps(parameters.first, left)
        if parameters.growth == 1:
            done %= length
        while done >= length:
            done, length = done - length, length * parameters.growth
        return _cosine(parameters.minimum, done / length)

    return _warmed(parameters.warmup, step, total_steps, factor)


def poly_factor(parameters: Poly, step: int, total_steps: int) -> float:
    """(1 - step / total_steps)^power (Isensee et al. 2021)."""
    return _warmed(parameters.warmup, step, total_steps, lambda done, left: (1 - done / left) ** parameters.power)


def step_factor(parameters: Step, step: int, total_steps: int) -> float:
    """`factor` to the power of how often `every` of the steps is over."""

    def factor(done: int, left: int) -> float:
        return parameters.factor ** (done // _steps(parameters.every, left))

    return _warmed(parameters.warmup, step, total_steps, factor)


def exponential_factor(parameters: Exponential, step: int, total_steps: int) -> float:
    """From 1, by the same factor at every step, to what would be `final` at the horizon."""
    return _warmed(parameters.warmup, step, total_steps, lambda done, left: parameters.final ** (done / left))


def triangle_factor(parameters: Triangle, step: int, total_steps: int) -> float:
    """From 1 down to `minimum` at the middle of each period, and back."""

    def factor(done: int, left: int) -> float:
        return _between(1.0, parameters.minimum, _peak(done, _steps(parameters.period, left)))

    return _warmed(parameters.warmup, step, total_steps, factor)


def triangular_factor(parameters: Triangular, step: int, total_steps: int) -> float:
    """From `minimum` up to 1 at the middle of each period, and back (Smith 2017)."""

    def factor(done: int, left: int) -> float:
        return _between(parameters.minimum, 1.0, _peak(done, _steps(parameters.period, left)))

    return _warmed(parameters.warmup, step, total_steps, factor)


def exp_range_factor(parameters: ExpRange, step: int, total_steps: int) -> float:
    """As the triangular one, the height above `minimum` times what falls from 1 to `final` (Smith 2017)."""

    def factor(done: int, left: int) -> float:
        height = _peak(done, _steps(parameters.period, left)) * parameters.final ** (done / left)
        return _between(parameters.minimum, 1.0, height)

    return _warmed(parameters.warmup, step, total_steps, factor)


def one_cycle_factor(parameters: OneCycle, step: int, total_steps: int) -> float:
    """Half a cosine from `start` to 1, which the step before `rise` of the horizon has, and another to `end`, which the
    last step has (Smith & Topin 2018; torch's `OneCycleLR`). Of a single step it is 1."""
    last, top = total_steps - 1, parameters.rise * total_steps - 1
    if last <= 0:
        return 1.0
    if step <= top:
        return _between(1.0, parameters.start, 0.5 * (1 + math.cos(math.pi * step / top))) if top > 0 else 1.0
    return _cosine(parameters.end, (step - max(top, 0.0)) / (last - max(top, 0.0)))


def _warmed(warmup: float, step: int, total_steps: int, factor: Callable[[int, int], float]) -> float:
    """Linear warm-up over `warmup * total_steps` steps, then `factor` of the steps since then and of all that then are
    left. A step beyond the horizon has what the horizon has."""
    warm = round(warmup * total_steps)
    if step < warm:
        return (step + 1) / warm
    left = max(1, total_steps - warm)
    return factor(min(step - warm, left), left)


def _steps(share: float, left: int) -> int:
    """A share of the steps that are left, as whole steps."""
    return max(1, round(share * left))


def _cosine(minimum: float, progress: float) -> float:
    return minimum + (1 - minimum) * 0.5 * (1 + math.cos(math.pi * progress))


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _peak(done: int, period: int) -> float:
    """How high a triangle is that rises from 0 to 1 and falls back within a period; 1 throughout in a single step."""
    return 1.0 if period == 1 else 1 - abs(2 * (done % period) / period - 1)
