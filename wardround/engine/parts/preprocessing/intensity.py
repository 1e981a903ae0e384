"""Parameters of the steps that change the intensities of a case, each channel by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import Added, unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.channels import ChannelNames, strange_channels
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.step import Contrast, StepParameters
from wardround.engine.parts.setting import Setting

Percentile = Annotated[float, Field(ge=0, le=100)]


def backwards(low: str, high: str, least: float, most: float) -> PydanticCustomError:
    """The error for two keys whose values stand in the wrong order, or are the same."""
    return unfit(
        f"`{low}` is not below `{high}`",
        got=f"{least:g} and {most:g}",
        expected="the smaller number first, and two that differ",
        remedy="Exchange the two, or correct the one that is wrong",
    )


class IntensityParameters(StepParameters):
    """Base of the parameters of a step that leaves every voxel in its place.

    `channels` names the inputs that it changes, such as `[CT]` in a study of CT and PET; none means all of them. It is
    kept for the step: an implementation is given these channels alone, in the order of the inputs, and the others stay
    as they are.
    """

    channels: Annotated[ChannelNames, Added("0.4.0"), Field(examples=[("CT",)])] = ()

    def reaches(self, channel: str) -> bool:
        """Whether `channels` names it, or none."""
        return not self.channels or channel in self.channels

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of channels that the study does not have."""
        return strange_channels(setting, self.channels)

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
    """Per case and channel: subtract the mean and divide by the standard deviation of some of the voxels.

    These are `all`, those that are not zero (`nonzero`), those above zero (`positive`), above the channel's mean
    (`mean`), or above the threshold of Otsu 1979 (`otsu`, doi:10.1109/TSMC.1979.4310076), which parts a head or a body
    from the air around it. What lies `outside` of them becomes `zero`, or is `normalized` by the same two numbers; by
    default the first for `nonzero`, where it is zero already, and the second otherwise.
    """

    shorthand: ClassVar[str | None] = "within"
    within: Literal["all", "nonzero", "positive", "mean", "otsu"] = "all"
    outside: Annotated[Literal["zero", "normalized"] | None, Added("0.4.0")] = None

    @model_validator(mode="after")
    def _has_an_outside(self) -> Self:
        if self.within == "all" and self.outside is not None:
            raise unfit(
                "nothing lies outside of all voxels",
                got=f"`outside: {self.outside}` with `within: all`",
                expected="`outside` with another `within`",
                remedy="Leave `outside` out, or write for example `within: nonzero`",
            )
        return self

    @property
    def zeroes(self) -> bool:
        """Whether what lies outside becomes zero."""
        return self.outside == "zero" or (self.outside is None and self.within == "nonzero")

    @property
    def needs_contrast(self) -> Contrast:
        """Where it takes mean and deviation, as far as a look at a file tells."""
        return "nonzero" if self.within == "nonzero" else "all"

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class Rescale(IntensityParameters):
    """Per case and channel: map two percentiles of the intensities linearly to `low` and `high`, and clip there.

    With `source`, it is these two intensities that are mapped, the same in every case: `source: [-1000, 1000]` brings
    Hounsfield units to one scale and keeps them comparable.
    """

    low: float = 0.0
    high: float = 1.0
    percentiles: tuple[Annotated[float, Field(ge=0, le=100)], Annotated[float, Field(ge=0, le=100)]] = (0.0, 100.0)
    source: Annotated[tuple[float, float] | None, Added("0.4.0"), Field(examples=[(-1000.0, 1000.0)])] = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise backwards("low", "high", self.low, self.high)
        if self.percentiles[0] >= self.percentiles[1]:
            raise backwards("percentiles[0]", "percentiles[1]", *self.percentiles)
        if self.source is not None and self.source[0] >= self.source[1]:
            raise backwards("source[0]", "source[1]", *self.source)
        return self

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        if self.source is not None and self.percentiles != (0.0, 100.0):
            raise unfit(
                "`source` and `percentiles` each say what is mapped",
                got="both",
                expected="one of them",
                remedy="Leave one of the two out",
            )
        return self

    @property
    def needs_contrast(self) -> Contrast | None:
        """Among all voxels, where it looks at them."""
        return "all" if self.source is None else None

    @property
    def window(self) -> tuple[float, float] | None:
        """The source, where there is one."""
        return self.source

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class ClipPercentiles(IntensityParameters):
    """Per case and channel: limit intensities to two percentiles, of all voxels or of those that are not zero.

    Within `nonzero` zeros stay zero, and count for neither percentile.
    """

    shorthand: ClassVar[str | None] = "percentiles"
    percentiles: tuple[Percentile, Percentile] = (0.5, 99.5)
    within: Literal["all", "nonzero"] = "all"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.percentiles[0] >= self.percentiles[1]:
            raise backwards("percentiles[0]", "percentiles[1]", *self.percentiles)
        return self


class Threshold(IntensityParameters):
    """Set intensities below `low` or above `high` to `value`, for instance to leave bone out; the others stay.

    `low: null` for an upper threshold alone; without `high` there is a lower one alone.
    GaNDLF's `threshold` also sets those that equal an end to zero.
    """

    low: Annotated[float | None, Field(examples=[-200.0])]
    high: float | None = None
    value: float = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is None and self.high is None:
            raise unfit("there is no threshold", got="neither", expected="`low`, `high` or both", remedy="Write one")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise backwards("low", "high", self.low, self.high)
        return self


class RobustNormalize(IntensityParameters):
    """Per case and channel: subtract the median and divide by the range from the first to the third quartile.

    Few very bright voxels, of a vessel or a defect, change neither. Within `nonzero` zeros count for neither, and stay
    zero.
    """

    shorthand: ClassVar[str | None] = "within"
    within: Literal["all", "nonzero"] = "all"

    @property
    def needs_contrast(self) -> Contrast:
        """Where it takes median and quartiles."""
        return self.within

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


_HOME = "wardround.engine.preprocessing.steps"
_MORE = "wardround.engine.preprocessing.levels"
_Z_NAMES = ("normalize", "normalize_positive", "normalize_nonZero", "normalize_nonZero_masked")
PARTS = (
    Part(Kind.PREPROCESSING, "clip", Clip, f"{_HOME}:ClipStep", gandlf=("clip", "clamp")),
    Part(Kind.PREPROCESSING, "clip_percentiles", ClipPercentiles, f"{_MORE}:ClipPercentilesStep"),
    Part(Kind.PREPROCESSING, "threshold", Threshold, f"{_MORE}:ThresholdStep", gandlf=("threshold",)),
    Part(Kind.PREPROCESSING, "z_normalize", ZNormalize, f"{_HOME}:ZNormalizeStep", gandlf=_Z_NAMES),
    Part(Kind.PREPROCESSING, "robust_normalize", RobustNormalize, f"{_MORE}:RobustNormalizeStep"),
    Part(Kind.PREPROCESSING, "rescale", Rescale, f"{_HOME}:RescaleStep", gandlf=("rescale",)),
)
