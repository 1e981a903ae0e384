"""Parameters of the metrics of images that are made from images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.part import Bounds, Kind, Parameters, Part

DataRange = Annotated[float, Field(gt=0)]
"""The difference between the largest and the smallest value that images have."""
HIGHEST = 200.0
"""Decibels of a prediction that is, as far as numbers tell, the truth."""


class Ranged(Parameters):
    """`data_range` is the difference between the largest and the smallest value of images; by default the truth's."""

    data_range: DataRange | None = None


class StructuralSimilarity(Ranged):
    """Structural similarity (Wang et al. 2004), in Gaussian windows with a standard deviation of 1.5 voxels."""


class PSNR(Ranged):
    """Peak signal-to-noise ratio in decibels, at most 200."""


class NCC(Parameters):
    """Normalised cross-correlation: Pearson's correlation of voxels. Undefined where an image is constant."""


_HOME = "wardround.engine.metrics.images"
_TASKS = frozenset({"synthesis"})
_CORRELATION = Bounds(-1.0, 1.0)
PARTS = (
    Part(
        Kind.METRIC, "ssim", StructuralSimilarity, f"{_HOME}:SSIMMetric", _TASKS, bounds=_CORRELATION, gandlf=("ssim",)
    ),
    Part(Kind.METRIC, "psnr", PSNR, f"{_HOME}:PSNRMetric", _TASKS, bounds=Bounds(-1e3, HIGHEST), gandlf=("psnr",)),
    Part(Kind.METRIC, "ncc", NCC, f"{_HOME}:NCCMetric", _TASKS, bounds=_CORRELATION, gandlf=("ncc_mean",)),
)
