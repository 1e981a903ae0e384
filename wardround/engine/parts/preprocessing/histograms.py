"""Parameters of the steps that change intensities by the histogram of each channel of a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.numbers import ProperFraction
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.preprocessing.intensity import IntensityParameters, Percentile
from wardround.engine.parts.preprocessing.step import Contrast
from wardround.engine.parts.setting import Setting

_MOST_NUMBERS = 1 << 25
"""Of all histograms of an image: 128 MB."""


def require_growing(key: str, values: Sequence[float]) -> None:
    """Raise the error of a model's validator unless each number is above the one before."""
    if any(one >= other for one, other in pairwise(values)):
        raise not_growing(key)


def not_growing(key: str) -> PydanticCustomError:
    """The error for a list of numbers that does not grow."""
    return unfit(
        f"the numbers of `{key}` do not grow",
        got="a number that is not above the one before",
        expected="the smallest first, and no two alike",
        remedy="Put them in order",
    )


class HistogramParameters(IntensityParameters):
    """Base of the parameters of a step that looks at the histogram of each channel."""

    @property
    def needs_contrast(self) -> Contrast:
        """A histogram of one value tells nothing."""
        return "all"

    @property
    def rescales(self) -> bool:
        """It does."""
        return True


class HistogramEqualization(HistogramParameters):
    """Per case and channel: map intensities so that each occurs about as often, from 0 to 1.

    A voxel becomes the share of voxels that are darker, found in a histogram of `bins` (scikit-image's
    `equalize_hist`).
    """

    bins: Annotated[int, Field(ge=2, le=65536)] = 256


class AdaptiveHistogramEqualization(HistogramParameters):
    """Per case and channel: equalise the histogram of each part of the image, limited in contrast, from 0 to 1 (CLAHE).

    The image is cut into `tiles` along each axis. In the histogram of each tile a bin keeps at most the share `clip` of
    the tile's voxels, and what is beyond is spread over all bins; between the middles of tiles the outcome is
    interpolated (Zuiderveld 1994, Graphics Gems IV, p. 474). In volumes all three axes are cut.
    """

    tiles: Annotated[int, Field(ge=1, le=64)] = 8
    clip: Annotated[float, Field(gt=0, le=1)] = 0.01
    bins: Annotated[int, Field(ge=2, le=4096)] = 256

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Histograms that take more memory than any image."""
        yield from super().flaws(setting)
        if self.tiles**setting.dimensions * self.bins > _MOST_NUMBERS:
            many = f"{self.tiles**setting.dimensions:,} tiles of {self.bins} bins"
            what, remedy = "the histograms of all tiles would fill the memory", "Write fewer `tiles`, or fewer `bins`"
            yield Flaw(setting.place, what, many, f"{_MOST_NUMBERS:,} numbers at most", remedy=remedy)


class HistogramMatching(HistogramParameters):
    """Per case and channel: map percentiles to the intensities that a reference image has there, and linearly between.

    The reference is these numbers, so that it is part of the study and travels with it; beyond the outermost two the
    nearest piece of the map goes on. Within `nonzero` zeros count for no percentile, and stay zero. `nyul` finds the
    reference from the training cases.
    """

    percentiles: Annotated[tuple[Percentile, ...], Field(min_length=2, max_length=101, examples=[(1.0, 50.0, 99.0)])]
    values: Annotated[tuple[float, ...], Field(min_length=2, max_length=101, examples=[(0.0, 40.0, 100.0)])]
    within: Literal["all", "nonzero"] = "all"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        require_growing("percentiles", self.percentiles)
        require_growing("values", self.values)
        if len(self.percentiles) != len(self.values):
            raise unfit(
                "each percentile has one value",
                got=f"{len(self.percentiles)} percentiles and {len(self.values)} values",
                expected="as many of the one as of the other",
                remedy="Leave some out, or add those that are missing",
            )
        return self

    @property
    def needs_contrast(self) -> Contrast:
        """Where it takes percentiles."""
        return self.within


class WhiteStripe(HistogramParameters):
    """Per case and channel: bring the white matter of a brain to mean 0 and standard deviation 1.

    For magnetic resonance images of the brain alone, with 0 around it. White matter is sought where the histogram of
    the nonzero voxels has its last peak (`contrast: T1`) or its highest (`T2`, and the like); the stripe reaches
    `width` of all these voxels to both sides of it (Shinohara et al. 2014, doi:10.1016/j.nicl.2014.08.008). Zeros stay
    zero.
    """

    shorthand: ClassVar[str | None] = "contrast"
    contrast: Literal["T1", "T2"] = "T1"
    width: Annotated[ProperFraction, Field(gt=0, le=0.5)] = 0.05

    @property
    def needs_contrast(self) -> Contrast:
        """Within the brain."""
        return "nonzero"


_HOME = "wardround.engine.preprocessing.histograms"
_EQUAL, _ADAPTIVE = ("histogram_equalization",), ("adaptive_histogram_equalization",)
PARTS = (
    Part(
        Kind.PREPROCESSING,
        "histogram_equalization",
        HistogramEqualization,
        f"{_HOME}:HistogramEqualizationStep",
        gandlf=_EQUAL,
    ),
    Part(
        Kind.PREPROCESSING,
        "adaptive_histogram_equalization",
        AdaptiveHistogramEqualization,
        "wardround.engine.preprocessing.clahe:AdaptiveHistogramEqualizationStep",
        gandlf=_ADAPTIVE,
    ),
    Part(
        Kind.PREPROCESSING,
        "histogram_matching",
        HistogramMatching,
        f"{_HOME}:HistogramMatchingStep",
        gandlf=("histogram_matching",),
    ),
    Part(Kind.PREPROCESSING, "white_stripe", WhiteStripe, f"{_HOME}:WhiteStripeStep"),
)
