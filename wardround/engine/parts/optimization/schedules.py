"""Parameters of the learning-rate schedules.

A schedule is a function of the step and the horizon alone. So lengths are fractions of the horizon's steps, after a
warm-up of those that are left, and rates are fractions of the optimiser's learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.parts.numbers import NonNegative, ProperFraction
from wardround.engine.parts.part import Kind, Parameters, Part

Share = Annotated[float, Field(gt=0, le=1)]
"""A part of something, or all of it."""


class ScheduleParameters(Parameters):
    """Base of the parameters of a schedule, with what is asked of it."""

    @property
    def changes_rate(self) -> bool:
        """Whether the learning rate is ever another than the optimiser's."""
        return True

    @property
    def needs_scores(self) -> bool:
        """Whether it follows the scores of validations, which only a run at one hospital has."""
        return False

    def factor_after(self, scores: Sequence[float], higher_is_better: bool) -> float:
        """By what the learning rate is multiplied further once validations had these scores of the selecting metric."""
        return 1.0


class WarmedParameters(ScheduleParameters):
    """Those of a schedule that follows a linear rise of the learning rate over `warmup` of the horizon's steps."""

    warmup: Annotated[ProperFraction, Added("0.4.0")] = 0.0


class Cosine(ScheduleParameters):
    """Half a cosine from the learning rate to `minimum` of it (Loshchilov & Hutter 2017) after a linear warm-up.

    warmup and minimum are fractions: of the horizon's steps, and of the learning rate.
    """

    warmup: ProperFraction = 0.0
    minimum: ProperFraction = 0.0


class Constant(WarmedParameters):
    """The learning rate throughout, after a linear warm-up over a fraction of the horizon's steps if given."""

    @property
    def changes_rate(self) -> bool:
        """Only a warm-up does."""
        return self.warmup > 0


class CosineRestarts(WarmedParameters):
    """Half a cosine from the learning rate to `minimum` of it, begun afresh again and again (Loshchilov & Hutter 2017).

    The first stretch is `first` of the horizon's steps, each further one `growth` times as long as the one before.
    """

    first: Share = 0.25
    growth: Annotated[int, Field(ge=1)] = 1
    minimum: ProperFraction = 0.0


class Poly(WarmedParameters):
    """The learning rate times (1 - step / horizon)^power, as nnU-Net with SGD (Isensee et al. 2021)."""

    power: Annotated[float, Field(gt=0, le=10)] = 0.9


class Step(WarmedParameters):
    """The learning rate times `factor` after every `every` of the horizon's steps."""

    every: Share = 0.25
    factor: Share = 0.1


class Exponential(WarmedParameters):
    """The same factor at every step, with which `final` of the learning rate is reached at the horizon."""

    final: Share = 0.01


class Triangle(WarmedParameters):
    """From the learning rate down to `minimum` of it and back, in a straight line, once in every `period` of the
    horizon's steps."""

    period: Share = 0.2
    minimum: ProperFraction = 0.0


class Triangular(WarmedParameters):
    """From `minimum` of the learning rate up to it and back, in a straight line, once in every `period` of the
    horizon's steps (Smith 2017)."""

    period: Share = 0.2
    minimum: ProperFraction = 1e-3


class ExpRange(WarmedParameters):
    """As `triangular`, with peaks that fall by the same factor at every step, to `final` of their height at the horizon
    (Smith 2017)."""

    period: Share = 0.2
    minimum: ProperFraction = 1e-3
    final: Share = 0.1


class OneCycle(ScheduleParameters):
    """From `start` of the learning rate up to it over `rise` of the horizon, and down to `end` of it, each along half a
    cosine (Smith & Topin 2018)."""

    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    start: Share = 0.04
    end: Share = 4e-6


class ReduceOnPlateau(WarmedParameters):
    """The learning rate, times `factor` once more than `patience` validations in a row were not better than the best.

    Better is what differs from the best by more than `threshold` of it. `cooldown` validations after a fall are not
    counted, and the learning rate never falls below `minimum` of itself. It follows the validations of a run at one
    hospital, whose history is kept in its checkpoint: a federation, in which no site has that, refuses it.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=0)] = 10
    threshold: NonNegative = 1e-4
    cooldown: Annotated[int, Field(ge=0)] = 0
    minimum: ProperFraction = 0.0

    @property
    def needs_scores(self) -> bool:
        """It follows them."""
        return True

    def factor_after(self, scores: Sequence[float], higher_is_better: bool) -> float:
        """As torch's `ReduceLROnPlateau` with these scores; unlike there, a margin has a size below 0 too."""
        best, bad, cooling, found = None, 0, 0, 1.0
        for score in scores:
            if best is None or self._is_better(score, best, higher_is_better):
                best, bad = score, 0
            else:
                bad += 1
            if cooling:
                cooling, bad = cooling - 1, 0
            if bad > self.patience:
                found, cooling, bad = max(found * self.factor, self.minimum), self.cooldown, 0
        return found

    def _is_better(self, score: float, best: float, higher_is_better: bool) -> bool:
        margin = self.threshold * abs(best)
        return score > best + margin if higher_is_better else score < best - margin


def schedule_of(parameters: Parameters) -> ScheduleParameters:
    """The answers of a schedule. One whose parameters are of no `ScheduleParameters` says nothing of itself."""
    return parameters if isinstance(parameters, ScheduleParameters) else ScheduleParameters()


_HOME = "wardround.engine.training.schedules"
PARTS = (
    Part(
        Kind.SCHEDULE,
        "cosine",
        Cosine,
        f"{_HOME}:cosine_factor",
        gandlf=("cosineannealingLR", "warmupcosineschedule", "wcs"),
    ),
    Part(Kind.SCHEDULE, "constant", Constant, f"{_HOME}:constant_factor"),
    Part(
        Kind.SCHEDULE,
        "cosine_restarts",
        CosineRestarts,
        f"{_HOME}:cosine_restarts_factor",
        gandlf=("cosineannealing", "cosineannealingwarmrestarts"),
    ),
    Part(Kind.SCHEDULE, "poly", Poly, f"{_HOME}:poly_factor"),
    Part(Kind.SCHEDULE, "step", Step, f"{_HOME}:step_factor", gandlf=("step",)),
    Part(Kind.SCHEDULE, "exponential", Exponential, f"{_HOME}:exponential_factor", gandlf=("exp", "exponential")),
    Part(Kind.SCHEDULE, "triangle", Triangle, f"{_HOME}:triangle_factor", gandlf=("triangle", "triangle_modified")),
    Part(Kind.SCHEDULE, "triangular", Triangular, f"{_HOME}:triangular_factor", gandlf=("triangular",)),
    Part(Kind.SCHEDULE, "exp_range", ExpRange, f"{_HOME}:exp_range_factor", gandlf=("exp_range",)),
    Part(Kind.SCHEDULE, "one_cycle", OneCycle, f"{_HOME}:one_cycle_factor"),
    Part(
        Kind.SCHEDULE,
        "reduce_on_plateau",
        ReduceOnPlateau,
        f"{_HOME}:constant_factor",
        gandlf=("reduce_on_plateau", "reduce-on-plateau", "plateau", "reduceonplateau"),
    ),
)
