"""Parameters of the random transforms that move voxels. They act on batches of patches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from wardround.engine.basics.closed import Added, unfit
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
    of the displacement at the control points of a smooth random field, `control_spacing` voxels apart. translation:
    largest shift along each axis in mm. shear: largest angle in degrees by which axes lean. Outside the patch lies
    `patches.padding`, and background in the label.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    scale: tuple[Annotated[float, Field(gt=0.1, lt=10)], Annotated[float, Field(gt=0.1, lt=10)]] = (0.9, 1.1)
    elastic: Annotated[float, Field(ge=0, le=50)] = 0.0
    control_spacing: Annotated[int, Field(ge=2, le=64)] = 8
    probability: Probability = 0.5
    translation: Annotated[float, Field(ge=0, le=1000), Added("0.4.0")] = 0.0
    shear: Annotated[float, Field(ge=0, le=60), Added("0.4.0")] = 0.0

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


class Turns(TransformParameters):
    """Base of turns about one of the named axes (counted from 0 in the patch), which is drawn.

    Images of two axes turn in their plane, and name none. No value is made up: voxels change places, so that what they
    measure in mm does not count.
    """

    shorthand: ClassVar[str | None] = "axes"
    axes: Annotated[Literal["all"] | tuple[Annotated[int, Field(ge=0, le=2)], ...], BeforeValidator(read_axes)] = "all"
    probability: Probability = 0.5

    def planes(self, dimensions: int) -> tuple[tuple[int, int], ...]:
        """The planes in which a patch may turn, each as the two axes that lie in it."""
        if dimensions == 2:
            return ((0, 1),)
        axes = range(3) if self.axes == "all" else self.axes
        return tuple(((1, 2), (0, 2), (0, 1))[axis] for axis in axes)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Axes of images that have none to turn about, or a list without any."""
        if self.axes != "all" and (setting.dimensions == 2 or not self.axes):
            what = "images of two axes turn in their plane, not about an axis" if self.axes else "no axis is named"
            expected = "all" if setting.dimensions == 2 else "all, or a list of axes from 0 to 2"
            yield Flaw((*setting.place, "axes"), what, written(self.axes), expected, remedy="Write `axes: all`")


class Rotate90(Turns):
    """Turn by one, two or three quarters about an axis that is drawn, exactly.

    The patch has to be as long along one axis of the plane that turns as along the other; where voxels are longer along
    one of them, name only axes about which they are square.
    """

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Also planes that are no squares."""
        yield from super().flaws(setting)
        if len(setting.patch) != setting.dimensions:
            return  # which is told of the patch
        every = Rotate90().planes(setting.dimensions)
        square = {plane for plane in every if len({setting.patch[axis] for axis in plane}) == 1}
        if not square.issuperset(self.planes(setting.dimensions)):
            fitting = [axis for axis, plane in enumerate(every) if plane in square]
            about = f"`axes: {fitting}`, or " if fitting else ""
            yield Flaw(
                setting.place,
                "a quarter turn makes another shape of the patch",
                f"a patch of {written(setting.patch)}",
                "equal sides along the axes that lie in the plane of a turn",
                remedy=f"Write {about}`rotate_180` instead, or give the patch equal sides",
            )


class Rotate180(Turns):
    """Turn by a half about an axis that is drawn, exactly, whatever the shape of the patch."""


_HOME = "wardround.engine.augmentation"
PARTS = (
    Part(Kind.AUGMENTATION, "spatial", Spatial, f"{_HOME}.spatial:SpatialTransform", gandlf=("affine", "elastic")),
    Part(Kind.AUGMENTATION, "flip", Flip, f"{_HOME}.flip:FlipTransform", gandlf=("flip",)),
    Part(Kind.AUGMENTATION, "rotate_90", Rotate90, f"{_HOME}.turns:Rotate90Transform", gandlf=("rotate_90",)),
    Part(Kind.AUGMENTATION, "rotate_180", Rotate180, f"{_HOME}.turns:Rotate180Transform", gandlf=("rotate_180",)),
)
