"""Parameters of the random transforms that act on boxes within a patch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from wardround.engine.parts.augmentation.ranges import Counts, PositiveShares, in_order
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import Probability
from wardround.engine.parts.part import Kind, Part

_Half = Annotated[float, Field(gt=0, le=0.5, examples=[0.1])]


class Cutout(TransformParameters):
    """Hide boxes of the image (DeVries and Taylor 2017, arXiv:1708.04552); the truth stays as it is.

    As many as `boxes` says, each as long along every axis as a share of the patch from `side`. filled: with the `mean`
    or the `least` value that the channel has in the patch.
    """

    boxes: Counts = (1, 3)
    side: PositiveShares = (0.1, 0.3)
    filled: Literal["mean", "least"] = "mean"
    probability: Probability = 0.2


class Swap(TransformParameters):
    """Let pairs of boxes change places within the patch (Chen et al. 2019, doi:10.1016/j.media.2019.101539).

    As many pairs as `pairs` says, each box as long along every axis as a share of the patch from `side`; two that find
    no room along the axis on which they lie one behind the other stay. truth: `follows`, so that each voxel keeps its
    own; or `stays`, so that a network learns to restore an image that is its own truth, as in that paper.
    """

    pairs: Counts = (10, 10)
    side: Annotated[tuple[_Half, _Half], AfterValidator(in_order)] = (0.1, 0.2)
    truth: Literal["follows", "stays"] = "follows"
    probability: Probability = 0.1


_HOME = "wardround.engine.augmentation.boxes"
PARTS = (
    Part(Kind.AUGMENTATION, "cutout", Cutout, f"{_HOME}:CutoutTransform"),
    Part(Kind.AUGMENTATION, "swap", Swap, f"{_HOME}:swap_transform", gandlf=("swap",)),
)
