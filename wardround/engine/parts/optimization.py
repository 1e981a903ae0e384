"""Parameters of optimisers and learning-rate schedules."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.registry import Kind, Parameters, Part

Fraction = Annotated[float, Field(ge=0, lt=1)]


class AdamW(Parameters):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)


class SGD(Parameters):
    """Stochastic gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964) and weight decay if given."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-2
    momentum: Fraction = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


class Cosine(Parameters):
    """Half a cosine from the learning rate to `minimum` of it (Loshchilov & Hutter 2017) after a linear warm-up.

    warmup and minimum are fractions: of the horizon's steps, and of the learning rate.
    """

    warmup: Fraction = 0.0
    minimum: Fraction = 0.0


class Constant(Parameters):
    """The learning rate throughout."""


_HOME = "wardround.engine.training"
PARTS = (
    Part(Kind.OPTIMIZER, "adamw", AdamW, f"{_HOME}.optimizers:build_adamw"),
    Part(Kind.OPTIMIZER, "sgd", SGD, f"{_HOME}.optimizers:build_sgd"),
    Part(Kind.SCHEDULE, "cosine", Cosine, f"{_HOME}.schedules:cosine_factor"),
    Part(Kind.SCHEDULE, "constant", Constant, f"{_HOME}.schedules:constant_factor"),
)
