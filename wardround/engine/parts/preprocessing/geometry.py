"""Parameters of the steps that change the grid of a case."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.numbers import Millimetres
from wardround.engine.parts.part import Kind, Parameters, Part


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


_HOME = "wardround.engine.preprocessing.steps"
PARTS = (
    Part(Kind.PREPROCESSING, "orient", Orient, f"{_HOME}:OrientStep"),
    Part(Kind.PREPROCESSING, "resample", Resample, f"{_HOME}:ResampleStep"),
    Part(Kind.PREPROCESSING, "resize", Resize, f"{_HOME}:ResizeStep"),
)
