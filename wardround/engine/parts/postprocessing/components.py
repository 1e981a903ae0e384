"""Parameters of the post-processing steps that keep some connected components of a structure and remove others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.postprocessing.mask_step import Connectivity, MaskStepParameters, strange_classes
from wardround.engine.parts.setting import Setting

_TASKS = frozenset({"segmentation"})
_Size = Annotated[float, Field(gt=0, examples=[100.0])]


class ComponentParameters(MaskStepParameters):
    """Base of the parameters of a step that looks at connected components.

    Two voxels belong together where they share a face, or with `connectivity: corners` a corner.
    """

    connectivity: Connectivity = "corners"


class LargestComponent(ComponentParameters):
    """Keep the `keep` largest connected components of each structure; of equal ones the first in the image.

    With `of: foreground` those of all the structures together, as nnU-Net does first (Isensee et al. 2021).
    """

    shorthand: ClassVar[str | None] = "keep"
    keep: Annotated[int, Field(ge=1, le=10_000)] = 1
    of: Literal["each", "foreground"] = "each"


class RemoveSmall(ComponentParameters):
    """Remove the connected components that are smaller than `least`, and those that are larger than `most`.

    A size is in mm3, or mm2 of a flat image; with `unit: voxels` the number of voxels.
    """

    shorthand: ClassVar[str | None] = "least"
    least: _Size | None = 10.0
    most: _Size | None = None
    unit: Literal["mm", "voxels"] = "mm"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least is None and self.most is None:
            remedy = "Write `least`, or `most`, or both, or take the step out"
            raise unfit("no size is too small or too large", got="neither", expected="a limit", remedy=remedy)
        if self.least is not None and self.most is not None and self.least >= self.most:
            raise unfit(
                "`least` is not below `most`",
                got=f"{self.least:g} and {self.most:g}",
                expected="the smaller size first, and two that differ",
                remedy="Exchange the two, or correct the one that is wrong",
            )
        return self


class KeepTouching(ComponentParameters):
    """Keep the connected components of each structure that overlap or touch the structure `other`; remove the rest.

    For instance lesions that lie in or at an organ. Without `classes` it changes all structures but `other`.
    """

    shorthand: ClassVar[str | None] = "other"
    other: Annotated[str, Field(examples=["one"])]

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of classes that the study does not have, and of `other` among those that are changed."""
        yield from super().flaws(setting)
        yield from strange_classes(setting, "other", [self.other])
        if self.other in self.classes:
            what, remedy = "a structure touches itself everywhere", f"Take {self.other!r} out of `classes`"
            yield Flaw((*setting.place, "classes"), what, repr(self.other), "other structures", remedy=remedy)


_HOME = "wardround.engine.inference.components"
PARTS = (
    Part(Kind.POSTPROCESSING, "largest_component", LargestComponent, f"{_HOME}:LargestKept", _TASKS, gandlf=("cca",)),
    Part(Kind.POSTPROCESSING, "remove_small", RemoveSmall, f"{_HOME}:SmallRemoved", _TASKS),
    Part(Kind.POSTPROCESSING, "keep_touching", KeepTouching, f"{_HOME}:TouchingKept", _TASKS),
)
