"""Parameters of the learning-rate schedules."""

from __future__ import annotations

from wardround.engine.parts.numbers import ProperFraction
from wardround.engine.parts.part import Kind, Parameters, Part


class Cosine(Parameters):
    """Half a cosine from the learning rate to `minimum` of it (Loshchilov & Hutter 2017) after a linear warm-up.

    warmup and minimum are fractions: of the horizon's steps, and of the learning rate.
    """

    warmup: ProperFraction = 0.0
    minimum: ProperFraction = 0.0


class Constant(Parameters):
    """The learning rate throughout."""


_HOME = "wardround.engine.training.schedules"
PARTS = (
    Part(Kind.SCHEDULE, "cosine", Cosine, f"{_HOME}:cosine_factor"),
    Part(Kind.SCHEDULE, "constant", Constant, f"{_HOME}:constant_factor"),
)
