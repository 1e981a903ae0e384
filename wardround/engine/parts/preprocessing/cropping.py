"""Parameters of the steps that cut voxels off, or add some around."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.axes import per_axis
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.step import StepParameters
from wardround.engine.parts.setting import Setting

Side = Annotated[int, Field(ge=1, le=4096)]
Voxels = Annotated[int, Field(ge=0, le=4096)]
Padding = float | Literal["minimum"]


class CropForeground(StepParameters):
    """Cut a case to the smallest box that holds every voxel above a value in any channel.

    `above` is one value for all channels, or a list of one for each input, `null` for those that are not looked at:
    `[-500, null]` for a CT beside a PET. `margin` voxels more are kept on each side, as far as there are any. A case
    without a voxel above the value is refused by name. What was cut off is background in predictions. The box is that
    of the image alone, never that of the mask, which new patients do not have; parts of a mask that lie outside are
    lost to training. MONAI's `CropForeground` and nnU-Net's crop to nonzero do the same.
    """

    above: float | tuple[float | None, ...] = 0.0
    margin: Voxels = 0

    @model_validator(mode="after")
    def _looks_somewhere(self) -> Self:
        if isinstance(self.above, tuple) and all(value is None for value in self.above):
            raise unfit(
                "no channel is looked at",
                got="`above` without a number",
                expected="a number for at least one input",
                remedy="Write for example `above: 0`",
            )
        return self

    @property
    def cuts(self) -> bool:
        """It does."""
        return True

    def largest_after(self, grid: Grid) -> Grid:
        """The grid itself, where nothing is cut off."""
        return grid

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of values than there are inputs."""
        given = len(self.above) if isinstance(self.above, tuple) else len(setting.inputs)
        if given != len(setting.inputs):
            place, inputs = (*setting.place, "above"), ", ".join(setting.inputs)
            expected, remedy = f"one for each of {inputs}", "Write one number for all, or one for each input"
            yield Flaw(place, "the values are not those of the inputs", f"{given}", expected, remedy=remedy)


class Crop(StepParameters):
    """Cut a number of voxels off each axis, at its beginning (`before`) and at its end (`after`).

    A case of which nothing would be left is refused by name. What was cut off is background in predictions.
    """

    before: tuple[Voxels, ...] = Field(min_length=2, max_length=3, examples=[(4, 4)])
    after: tuple[Voxels, ...] = Field(min_length=2, max_length=3, examples=[(4, 4)])

    @model_validator(mode="after")
    def _of_the_same_axes(self) -> Self:
        if len(self.before) != len(self.after):
            raise unfit(
                "`before` and `after` have another number of axes",
                got=f"{len(self.before)} and {len(self.after)}",
                expected="one number per axis in both",
                remedy="Write 0 for an axis of which nothing is cut off",
            )
        return self

    @property
    def cuts(self) -> bool:
        """It does."""
        return True

    def grid_after(self, grid: Grid) -> Grid:
        """What is left; one voxel of an axis of which nothing would be."""
        sides = zip(grid.shape, self.before, self.after, strict=True)
        return Grid(tuple(max(1, side - before - after) for side, before, after in sides), grid.spacing)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of axes."""
        return per_axis(setting, self.before)


class CenterCrop(StepParameters):
    """Cut a case to a number of voxels per axis about its middle; an axis that has fewer stays as it is.

    Of an odd number of voxels too many, one more is cut off the end. What was cut off is background in predictions.
    With `pad` behind it every case has one size, as after GaNDLF's `centercrop`.
    """

    shorthand: ClassVar[str | None] = "size"
    size: tuple[Side, ...] = Field(min_length=2, max_length=3, examples=[(64, 64)])

    @property
    def cuts(self) -> bool:
        """It does."""
        return True

    def grid_after(self, grid: Grid) -> Grid:
        """No larger than its size."""
        return Grid(tuple(map(min, grid.shape, self.size)), grid.spacing)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of axes."""
        return per_axis(setting, self.size)


class Pad(StepParameters):
    """Add voxels of the value `padding` on all sides of a case until it has a number of voxels per axis at least.

    Of an odd number, one more is added at the end. `minimum` is the least value of each channel. In a mask the new
    voxels are background; predictions come without them.
    """

    shorthand: ClassVar[str | None] = "size"
    size: tuple[Side, ...] = Field(min_length=2, max_length=3, examples=[(64, 64)])
    padding: Annotated[Padding, Field(examples=[-1.0])] = 0.0

    def grid_after(self, grid: Grid) -> Grid:
        """No smaller than its size."""
        return Grid(tuple(map(max, grid.shape, self.size)), grid.spacing)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of axes."""
        return per_axis(setting, self.size)


class PadToMultiple(StepParameters):
    """Add voxels as `pad` does until the number of voxels along each axis is a multiple of one number."""

    shorthand: ClassVar[str | None] = "multiple"
    multiple: Annotated[int, Field(ge=2, le=1024, examples=[16])]
    padding: Annotated[Padding, Field(examples=[-1.0])] = 0.0

    def grid_after(self, grid: Grid) -> Grid:
        """Of the next multiples."""
        return Grid(tuple(-(-side // self.multiple) * self.multiple for side in grid.shape), grid.spacing)


_HOME = "wardround.engine.preprocessing.cropping"
_ZERO_PLANES = ("crop_external_zero_planes",)
PARTS = (
    Part(Kind.PREPROCESSING, "crop_foreground", CropForeground, f"{_HOME}:CropForegroundStep", gandlf=_ZERO_PLANES),
    Part(Kind.PREPROCESSING, "crop", Crop, f"{_HOME}:CropStep", gandlf=("crop",)),
    Part(Kind.PREPROCESSING, "center_crop", CenterCrop, f"{_HOME}:CenterCropStep", gandlf=("centercrop",)),
    Part(Kind.PREPROCESSING, "pad", Pad, f"{_HOME}:PadStep"),
    Part(Kind.PREPROCESSING, "pad_to_multiple", PadToMultiple, f"{_HOME}:PadToMultipleStep"),
)
