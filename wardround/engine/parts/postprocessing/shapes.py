"""Parameters of the post-processing steps that change the shape or the name of a structure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.numbers import Millimetres
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.postprocessing.mask_step import (
    BACKGROUND,
    Connectivity,
    MaskStepParameters,
    strange_classes,
)
from wardround.engine.parts.setting import Setting

_TASKS = frozenset({"segmentation"})


class FillHoles(MaskStepParameters):
    """Fill the holes of each structure: background that it encloses on all sides, within the whole volume.

    A hole that reaches the border of the image is none. Other structures that lie in a hole stay. `largest` is the
    size of the largest hole that is filled; without it all are. Two voxels of a hole belong together where they share a
    face, or with `connectivity: corners` a corner.
    """

    largest: Annotated[float, Field(gt=0, examples=[100.0])] | None = None
    connectivity: Connectivity = "faces"


class Morphology(MaskStepParameters):
    """Open, close, dilate or erode each structure by a ball of `radius` mm, a disc in a flat image (Serra 1982).

    `opening` removes what is thinner than the ball, `closing` fills what is narrower. The distance is that between the
    centres of voxels, so that a radius below the spacing changes nothing along that axis. The image's border takes
    nothing off a structure that reaches it.
    """

    shorthand: ClassVar[str | None] = "operation"
    operation: Annotated[Literal["opening", "closing", "dilation", "erosion"], Field(examples=["closing"])]
    radius: Annotated[Millimetres, Field(le=1000)] = 1.0

    @property
    def settles(self) -> bool:
        """An opened structure is open, a closed one closed."""
        return self.operation in ("opening", "closing")


class MapLabels(MaskStepParameters):
    """Give voxels of one class to another, or to the background: `map_labels: {mapping: {cyst: background}}`.

    All pairs are read from what was predicted, so that two classes can be exchanged.
    """

    mapping: Annotated[dict[str, str], Field(min_length=1, examples=[{"one": BACKGROUND}])]

    @property
    def settles(self) -> bool:
        """Only where no class is mapped to one that is mapped itself."""
        return not {*self.mapping} & {*self.mapping.values()}

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of classes that the study does not have, and of `classes`, which the mapping takes the place of."""
        yield from strange_classes(setting, "mapping", self.mapping)
        yield from strange_classes(setting, "mapping", dict.fromkeys(self.mapping.values()), (BACKGROUND,))
        for name, other in self.mapping.items():
            if name == other:
                what, remedy = f"{name!r} is mapped to itself", "Take the pair out"
                yield Flaw((*setting.place, "mapping"), what, f"{name}: {other}", "two names", remedy=remedy)
        if self.classes:
            what, remedy = "the mapping says which classes it changes", "Take `classes` out"
            yield Flaw((*setting.place, "classes"), what, ", ".join(self.classes), "no `classes`", remedy=remedy)


_HOME = "wardround.engine.inference.postprocessing"
PARTS = (
    Part(Kind.POSTPROCESSING, "fill_holes", FillHoles, f"{_HOME}:HoleFilling", _TASKS, gandlf=("fill_holes",)),
    Part(Kind.POSTPROCESSING, "morphology", Morphology, f"{_HOME}:MorphologyStep", _TASKS, gandlf=("morphology",)),
    Part(Kind.POSTPROCESSING, "map_labels", MapLabels, f"{_HOME}:LabelMapping", _TASKS, gandlf=("mapping",)),
)
