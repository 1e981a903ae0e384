"""What every loss answers for, and the kinds of numbers that losses are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.setting import Setting

Smooth = Annotated[float, Field(gt=0)]
"""What is added above and below a fraction, so that it is defined where a class is absent: in voxels."""
Smoothing = Annotated[float, Field(ge=0, lt=1)]
"""How much of the truth is spread evenly over all classes."""
Weights = tuple[NonNegative, ...]
"""One for each output, in the order of the study's classes, the background first where there is one."""


class LossParameters(Parameters):
    """Base of the parameters of losses."""

    @property
    def is_per_sample(self) -> bool:
        """Whether a sample's loss depends on that sample alone, so that a gradient can be clipped by patient."""
        return True


def is_per_sample(parameters: Parameters) -> bool:
    """Whether a loss with these parameters is one number per sample that depends on that sample alone. Of the losses
    of packages all are: `trial.check_part` holds them to it."""
    return parameters.is_per_sample if isinstance(parameters, LossParameters) else True


def misfitting_weights(setting: Setting, key: str, weights: Weights | None) -> Iterator[Flaw]:
    """A flaw where there is another number of weights than of classes."""
    names = setting.classes
    if weights is not None and len(weights) != len(names):
        expected = f"{len(names)}, one for each of {', '.join(names)}"
        where, got = (*setting.place, key), written(weights)
        remedy = f"Write for example `{key}: {[1] * len(names)}`"
        yield Flaw(where, "the number of weights does not fit the classes", got, expected, remedy=remedy)
