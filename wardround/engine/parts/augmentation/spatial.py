"""Parameters of the random transforms that move voxels. They act on batches of patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.augmentation.axes import read_axes
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.axes import NO_AXIS
from wardround.engine.parts.numbers import Probability
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class Spatial(TransformParameters):
    """Rotation, scaling and elastic deformation, fused into one resampling of image and label.

    rotation: largest angle in degrees about each axis (in 2D, in the plane); it turns in mm, also where voxels are
    longer along one axis. scale: range of one factor for all axes. elastic: standard deviation, in voxels of each axis,
    of the displacement at the control points of a smooth random field, `control_spacing` voxels apart. Outside the
    patch lies `patches.padding`, and background in the label.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: tuple[Annotated[float, Field(gt=0.1, lt=10)], Annotated[float, Field(gt=0.1, lt=10)]] = (0.9, 1.1)
    elastic: Annotated[float, Field(ge=0, le=50)] = 0.0
    control_spacing: Annotated[int, Field(ge=2, le=64)] = 8
    probability: Probability = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.scale[0] > self.scale[1]:
            raise unfit(
                "the range of `scale` runs backwards",
                got=str(list(self.scale)),
                expected="the smaller number first",
                remedy=f"Write `scale: {sorted(self.scale)}`",
            )
        return self


class Flip(TransformParameters):
    """Mirror each of the named axes (counted from 0 in the patch) independently with `probability`."""

    shorthand: ClassVar[str | None] = "axes"
    axes: Annotated[Literal["all"] | tuple[Annotated[int, Field(ge=0, le=2)], ...], BeforeValidator(read_axes)] = "all"
    probability: Probability = 0.5

    def allows(self, axis: int) -> bool:
        """Whether this axis may be mirrored."""
        return self.axes == "all" or axis in self.axes

    def mirrored_axes(self, dimensions: int) -> tuple[int, ...]:
        """Those that it may mirror."""
        return tuple(axis for axis in range(dimensions) if self.allows(axis))

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Axes that the images do not have."""
        beyond = [axis for axis in (() if self.axes == "all" else self.axes) if axis >= setting.dimensions]
        if beyond:
            expected = f"0 to {setting.dimensions - 1}"
            remedy = "Axes are counted from 0; take out those that the images do not have"
            yield Flaw(setting.place, NO_AXIS, written(beyond), expected, remedy=remedy)


_HOME = "wardround.engine.augmentation"
PARTS = (
    Part(Kind.AUGMENTATION, "spatial", Spatial, f"{_HOME}.spatial:SpatialTransform"),
    Part(Kind.AUGMENTATION, "flip", Flip, f"{_HOME}.flip:FlipTransform"),
)
