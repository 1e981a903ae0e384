"""Parameters of the steps that change the intensities of a case, each channel by itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.part import Kind, Parameters, Part


def backwards(low: str, high: str, least: float, most: float) -> PydanticCustomError:
    """The error for two keys whose values stand in the wrong order, or are the same."""
    return unfit(
        f"`{low}` is not below `{high}`",
        got=f"{least:g} and {most:g}",
        expected="the smaller number first, and two that differ",
        remedy="Exchange the two, or correct the one that is wrong",
    )


class Clip(Parameters):
    """Limit intensities to a range, for instance Hounsfield units."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise backwards("low", "high", self.low, self.high)
        return self


class ZNormalize(Parameters):
    """Per case and channel: subtract the mean and divide by the standard deviation of all or of nonzero voxels."""

    shorthand: ClassVar[str | None] = "within"
    within: Literal["all", "nonzero"] = "all"


class Rescale(Parameters):
    """Per case and channel: map two percentiles of the intensities linearly to `low` and `high`, and clip there."""

    low: float = 0.0
    high: float = 1.0
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]] = (0.0, 100.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise backwards("low", "high", self.low, self.high)
        if self.percentiles[0] >= self.percentiles[1]:
            raise backwards("percentiles[0]", "percentiles[1]", *self.percentiles)
        return self


_HOME = "wardround.engine.preprocessing.steps"
PARTS = (
    Part(Kind.PREPROCESSING, "clip", Clip, f"{_HOME}:ClipStep"),
    Part(Kind.PREPROCESSING, "z_normalize", ZNormalize, f"{_HOME}:ZNormalizeStep"),
    Part(Kind.PREPROCESSING, "rescale", Rescale, f"{_HOME}:RescaleStep"),
)
