"""Parameters of the steps that change the grid of a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.axes import ORIENTED, per_axis
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
    """

    shorthand: ClassVar[str | None] = "spacing"
    spacing: tuple[Millimetres, ...] = Field(min_length=2, max_length=3)

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
PARTS = (
    Part(Kind.PREPROCESSING, "orient", Orient, f"{_HOME}:OrientStep"),
    Part(Kind.PREPROCESSING, "resample", Resample, f"{_HOME}:ResampleStep"),
    Part(Kind.PREPROCESSING, "resize", Resize, f"{_HOME}:ResizeStep"),
)
