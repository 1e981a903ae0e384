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
    """Base of the parameters of a loss, with what is asked of it. Those of no `LossParameters` answer as this does."""

    @property
    def by_sample(self) -> bool:
        """Whether a sample's loss is the same beside any others. Where it is not, a loss belongs to a batch: it cannot
        be taken apart by sample or by patient, and that of a validation is one over all of its cases."""
        return True


def loss_of(parameters: Parameters) -> LossParameters:
    """The answers of a loss."""
    return parameters if isinstance(parameters, LossParameters) else LossParameters()


def misfitting_weights(setting: Setting, key: str, weights: Weights | None) -> Iterator[Flaw]:
    """A flaw where there is another number of weights than of classes, or where all are 0 and nothing is learned."""
    names, where = setting.classes, (*setting.place, key)
    remedy = f"Write for example `{key}: {[1] * len(names)}`"
    if weights is not None and len(weights) != len(names):
        expected = f"{len(names)}, one for each of {', '.join(names)}"
        what = "the number of weights does not fit the classes"
        yield Flaw(where, what, written(weights), expected, remedy=remedy)
    elif weights is not None and not any(weights):
        yield Flaw(where, "no class counts", written(weights), "a weight above 0 for one of them", remedy=remedy)
