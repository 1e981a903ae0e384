"""Parameters of the steps that make an image smooth."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.numbers import Millimetres
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.intensity import IntensityParameters


class MedianFilter(IntensityParameters):
    """Each voxel becomes the median of those up to `radius` voxels away along each axis: single specks go, edges stay.

    Beyond the border the image is mirrored.
    """

    shorthand: ClassVar[str | None] = "radius"
    radius: Annotated[int, Field(ge=1, le=10)] = 1


class GaussianSmooth(IntensityParameters):
    """Smooth with a Gaussian whose standard deviation is `sigma` mm along each axis, whatever the spacing.

    Beyond the border the nearest voxel counts.
    """

    shorthand: ClassVar[str | None] = "sigma"
    sigma: Annotated[Millimetres, Field(le=100)] = 1.0


_HOME = "wardround.engine.preprocessing.smoothing"
PARTS = (
    Part(Kind.PREPROCESSING, "median_filter", MedianFilter, f"{_HOME}:MedianFilterStep"),
    Part(Kind.PREPROCESSING, "gaussian_smooth", GaussianSmooth, f"{_HOME}:GaussianSmoothStep"),
)
