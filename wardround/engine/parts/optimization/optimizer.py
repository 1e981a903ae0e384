"""What every optimiser has and answers for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.parts.numbers import NonNegative, ProperFraction
from wardround.engine.parts.part import Parameters

Rate = Annotated[float, Field(gt=0, le=10)]
"""A learning rate before the schedule's factor."""
Betas = tuple[ProperFraction, ProperFraction]
"""What is kept of running means of the gradient and of its square at each step."""
Epsilon = Annotated[float, Field(gt=0, le=1)]
"""What keeps a quotient finite where its denominator is 0."""


class OptimizerParameters(Parameters):
    """Base of the parameters of an optimiser, with what is asked of it."""

    learning_rate: Rate = 1e-3

    @property
    def follows_schedule(self) -> bool:
        """Whether the learning rate of a step decides how far it goes."""
        return True


class DecayingParameters(OptimizerParameters):
    """Those of an optimiser with weight decay.

    With `decay_biases: false` it leaves biases and the scales of norm layers alone, which are all weights of one axis.
    """

    weight_decay: NonNegative = 0.0
    decay_biases: Annotated[bool, Added("0.4.0")] = True


def optimizer_of(parameters: Parameters) -> OptimizerParameters:
    """The answers of an optimiser. One whose parameters are of no `OptimizerParameters` says nothing of itself."""
    return parameters if isinstance(parameters, OptimizerParameters) else OptimizerParameters()
