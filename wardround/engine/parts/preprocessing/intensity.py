"""Parameters of the steps that change the intensities of a case, each channel by itself."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.step import Contrast, StepParameters


def backwards(low: str, high: str, least: float, most: float) -> PydanticCustomError:
    """The error for two keys whose values stand in the wrong order, or are the same."""
    return unfit(
        f"`{low}` is not below `{high}`",
        got=f"{least:g} and {most:g}",
        expected="the smaller number first, and two that differ",
        remedy="Exchange the two, or correct the one that is wrong",
    )


class IntensityParameters(StepParameters):
    """Base of the parameters of a step that leaves every voxel in its place."""

    def grid_after(self, grid: Grid) -> Grid:
        """The grid as it was."""
        return grid


class Clip(IntensityParameters):
    """Limit intensities to a range, for instance Hounsfield units."""

    low: Annotated[float, Field(examples=[-100.0])]
    high: Annotated[float, Field(examples=[300.0])]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise backwards("low", "high", self.low, self.high)
        return self

    @property
    def window(self) -> tuple[float, float]:
        """From `low` to `high`."""
        return self.low, self.high


class ZNormalize(IntensityParameters):
    """Per case and channel: subtract the mean and divide by the standard deviation of all or of nonzero voxels."""

    shorthand: ClassVar[str | None] = "within"
    within: Literal["all", "nonzero"] = "all"

    @property
    def needs_contrast(self) -> Contrast:
        """Where it takes mean and deviation."""
        return self.within

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class Rescale(IntensityParameters):
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

    @property
    def needs_contrast(self) -> Contrast:
        """Among all voxels."""
        return "all"

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


_HOME = "wardround.engine.preprocessing.steps"
PARTS = (
    Part(Kind.PREPROCESSING, "clip", Clip, f"{_HOME}:ClipStep"),
    Part(Kind.PREPROCESSING, "z_normalize", ZNormalize, f"{_HOME}:ZNormalizeStep"),
    Part(Kind.PREPROCESSING, "rescale", Rescale, f"{_HOME}:RescaleStep"),
)
