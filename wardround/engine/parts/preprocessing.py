"""Parameters of the preprocessing steps, which run once per case, in the study's order."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.registry import Kind, Parameters, Part

Millimetres = Annotated[float, Field(gt=0)]


class Orient(Parameters):
    """Reorder and flip the axes of a 3D case to an anatomical orientation, without interpolation."""

    shorthand: ClassVar[str | None] = "axes"
    axes: Annotated[str, Field(pattern=r"^[RLAPSI]{3}$")] = "RAS"

    @model_validator(mode="after")
    def _one_letter_per_axis(self) -> Self:
        pairs = ({"R", "L"}, {"A", "P"}, {"S", "I"})
        if any(len(pair & set(self.axes)) != 1 for pair in pairs):
            raise unfit(
                "this is no orientation",
                got=repr(self.axes),
                expected="one letter each of R/L, A/P and S/I",
                remedy="Write for example `RAS` or `LPS`",
            )
        return self


class Resample(Parameters):
    """Resample to a voxel spacing in mm, one number per axis: linear for images, nearest for labels.

    Along an axis whose voxels grow, images are low-pass filtered first: by a Gaussian of the variance
    (new^2 - old^2) / (8 ln 2) mm^2 (Cardoso et al. 2015, as in TorchIO). A label is that of the nearest old voxel: a
    class keeps its volume on average, and a structure thinner than a new voxel is hit or missed.
    """

    shorthand: ClassVar[str | None] = "spacing"
    spacing: tuple[Millimetres, ...] = Field(min_length=2, max_length=3)


class Resize(Parameters):
    """Resample to a grid of a given number of pixels or voxels per axis, as `resample` does."""

    shorthand: ClassVar[str | None] = "size"
    size: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(min_length=2, max_length=3)


def _backwards(low: str, high: str, least: float, most: float) -> PydanticCustomError:
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
            raise _backwards("low", "high", self.low, self.high)
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
            raise _backwards("low", "high", self.low, self.high)
        if self.percentiles[0] >= self.percentiles[1]:
            raise _backwards("percentiles[0]", "percentiles[1]", *self.percentiles)
        return self


_HOME = "wardround.engine.preprocessing.steps"
PARTS = (
    Part(Kind.PREPROCESSING, "orient", Orient, f"{_HOME}:OrientStep"),
    Part(Kind.PREPROCESSING, "resample", Resample, f"{_HOME}:ResampleStep"),
    Part(Kind.PREPROCESSING, "resize", Resize, f"{_HOME}:ResizeStep"),
    Part(Kind.PREPROCESSING, "clip", Clip, f"{_HOME}:ClipStep"),
    Part(Kind.PREPROCESSING, "z_normalize", ZNormalize, f"{_HOME}:ZNormalizeStep"),
    Part(Kind.PREPROCESSING, "rescale", Rescale, f"{_HOME}:RescaleStep"),
)
