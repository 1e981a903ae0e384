"""Parameters of the steps that change the grid of a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import Added, unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.axes import NO_AXIS, ORIENTED, per_axis
from wardround.engine.parts.numbers import Millimetres
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.step import StepParameters
from wardround.engine.parts.setting import Setting


class Orient(StepParameters):
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

    @property
    def orientation(self) -> str:
        """Its axes."""
        return self.axes

    def grid_after(self, grid: Grid) -> Grid:
        """The grid that has been turned."""
        return grid

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """In flat images."""
        if setting.dimensions == 2:
            yield Flaw(
                setting.place,
                ORIENTED,
                "`orient`",
                "steps for 2D images",
                remedy="Take the step out, or set `dimensions: 3` in `model` if the images are volumes",
            )


class Resample(StepParameters):
    """Resample to a voxel spacing in mm, one number per axis: linear for images, nearest for labels.

    Along an axis whose voxels grow, images are low-pass filtered first: by a Gaussian of the variance
    (new^2 - old^2) / (8 ln 2) mm^2 (Cardoso et al. 2015, as in TorchIO). A label is that of the nearest old voxel: a
    class keeps its volume on average, and a structure thinner than a new voxel is hit or missed.

    With `coarse_axis: nearest`, an axis whose voxels are more than three times as long as the shortest side, before or
    after, is not interpolated along: each new slice is the nearest old one, for slices that far apart do not show what
    lies between them (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z). It concerns images alone.
    """

    shorthand: ClassVar[str | None] = "spacing"
    spacing: tuple[Millimetres, ...] = Field(min_length=2, max_length=3)
    coarse_axis: Annotated[Literal["linear", "nearest"], Added("0.4.0")] = "linear"

    @property
    def target_spacing(self) -> tuple[float, ...]:
        """Its spacing."""
        return self.spacing

    def grid_after(self, grid: Grid) -> Grid:
        """As many voxels as fit the extent best."""
        return grid.at_spacing(self.spacing)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of axes."""
        return per_axis(setting, self.spacing)


class ResampleAxis(StepParameters):
    """Resample along one axis alone, counted from 0, as `resample` does; the others keep each case's own spacing.

    Behind `orient`, so that the axis is the same one in every case: with `orient: RAS` axis 2 runs from foot to head.
    """

    axis: Annotated[int, Field(ge=0, le=2, examples=[1])]
    spacing: Annotated[Millimetres, Field(examples=[1.0])]

    def grid_after(self, grid: Grid) -> Grid:
        """Of another number of voxels along that axis."""
        if self.axis >= len(grid.shape):
            return grid
        own = grid.spacing
        return grid.at_spacing((*own[: self.axis], self.spacing, *own[self.axis + 1 :]))

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of an axis that images do not have."""
        if self.axis >= setting.dimensions:
            place, expected = (*setting.place, "axis"), "0 or 1, as the model has 2 dimensions"
            yield Flaw(place, NO_AXIS, f"{self.axis}", expected, remedy="Write 0 or 1")


class ResampleMin(StepParameters):
    """Resample, as `resample` does, to voxels as long in every direction as the case's own shortest side.

    With `spacing` only those sides change that are longer than that, to it: no detail is lost.
    """

    shorthand: ClassVar[str | None] = "spacing"
    spacing: Millimetres | None = None

    def grid_after(self, grid: Grid) -> Grid:
        """Of sides that are no longer."""
        most = self.spacing if self.spacing is not None else min(grid.spacing)
        return grid.at_spacing(tuple(min(side, most) for side in grid.spacing))


class Resize(StepParameters):
    """Resample to a grid of a given number of pixels or voxels per axis, as `resample` does."""

    shorthand: ClassVar[str | None] = "size"
    size: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(min_length=2, max_length=3, examples=[(64, 64)])

    def grid_after(self, grid: Grid) -> Grid:
        """Its size over the same extent."""
        return grid.of_size(self.size)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """With another number of axes."""
        return per_axis(setting, self.size)


_HOME = "wardround.engine.preprocessing.steps"
_RESAMPLE_MIN = ("resample_min", "resample_minimum")
_RESIZE = ("resize_image", "resize", "resize_images", "resize_patch")
PARTS = (
    Part(Kind.PREPROCESSING, "orient", Orient, f"{_HOME}:OrientStep", gandlf=("to_canonical",)),
    Part(Kind.PREPROCESSING, "resample", Resample, f"{_HOME}:ResampleStep", gandlf=("resample",)),
    Part(Kind.PREPROCESSING, "resample_axis", ResampleAxis, f"{_HOME}:ResampleAxisStep"),
    Part(Kind.PREPROCESSING, "resample_min", ResampleMin, f"{_HOME}:ResampleMinStep", gandlf=_RESAMPLE_MIN),
    Part(Kind.PREPROCESSING, "resize", Resize, f"{_HOME}:ResizeStep", gandlf=_RESIZE),
)
