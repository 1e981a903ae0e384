"""Parameters of the optimisers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.numbers import ProperFraction
from wardround.engine.parts.part import Kind, Parameters, Part


class AdamW(Parameters):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    betas: tuple[ProperFraction, ProperFraction] = (0.9, 0.999)


class SGD(Parameters):
    """Stochastic gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964) and weight decay if given."""

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-2
    momentum: ProperFraction = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.0


_HOME = "wardround.engine.training.optimizers"
PARTS = (
    Part(Kind.OPTIMIZER, "adamw", AdamW, f"{_HOME}:build_adamw"),
    Part(Kind.OPTIMIZER, "sgd", SGD, f"{_HOME}:build_sgd"),
)
