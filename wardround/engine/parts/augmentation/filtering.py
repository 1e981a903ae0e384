"""Parameters of the random transforms that take away detail. They act on batches of patches, after normalisation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wardround.engine.parts.augmentation.ranges import PositiveShares, in_order
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import Probability
from wardround.engine.parts.part import Kind, Part

_Sigma = Annotated[float, Field(ge=0, le=50)]


class Blur(TransformParameters):
    """Blur with a Gaussian whose standard deviation, in voxels of each axis, is drawn uniformly from `sigma`.

    The kernel is cut at four standard deviations, and the image is mirrored at its edges, as scipy does it. Default
    and probability are nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """

    sigma: Annotated[tuple[_Sigma, _Sigma], AfterValidator(in_order)] = (0.5, 1.0)
    probability: Probability = 0.2


class LowResolution(TransformParameters):
    """Simulate images of lower resolution: fewer voxels, taken as the nearest ones, then as many as before.

    scale: range of the share of voxels that are left along an axis. along: `all` axes with the same share, as nnU-Net
    does it (Isensee et al. 2021), or `one` that is drawn, which makes thick slices (Billot et al. 2020,
    doi:10.1007/978-3-030-59728-3_18; TorchIO's RandomAnisotropy). enlarged: how voxels are made between those left.
    """

    scale: PositiveShares = (0.5, 1.0)
    along: Literal["all", "one"] = "all"
    enlarged: Literal["linear", "cubic"] = "linear"
    probability: Probability = 0.25


_HOME = "wardround.engine.augmentation.filtering"
PARTS = (
    Part(Kind.AUGMENTATION, "blur", Blur, f"{_HOME}:BlurTransform", gandlf=("blur",)),
    Part(
        Kind.AUGMENTATION,
        "low_resolution",
        LowResolution,
        f"{_HOME}:LowResolutionTransform",
        gandlf=("anisotropic",),
    ),
)
