"""What does not fit the number of axes of a study's images."""

from __future__ import annotations

from collections.abc import Iterator

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.setting import Setting

ORIENTED = "2D images have no anatomical orientation"
OTHER_NUMBER = "the number of axes does not fit"
NO_AXIS = "there is no such axis"
OF_AXES = frozenset({ORIENTED, OTHER_NUMBER, NO_AXIS})
"""What is said of lines that belong to the number of axes."""


def per_axis(setting: Setting, values: tuple[float, ...]) -> Iterator[Flaw]:
    """A flaw unless there is one value for each axis."""
    axes = setting.dimensions
    if len(values) != axes:
        fitting = [*values, *values[-1:] * axes][:axes]
        remedy = f"Write one number per axis, such as {written(fitting)}, or change `dimensions` in `model`"
        expected = f"{axes}, as the model has {axes} dimensions"
        yield Flaw(setting.place, OTHER_NUMBER, written(values), expected, remedy=remedy)
