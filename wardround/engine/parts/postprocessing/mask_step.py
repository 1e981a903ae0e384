"""What a post-processing step answers for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.basics.flaws import Flaw
from wardround.engine.basics.problems import did_you_mean
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.setting import Setting

BACKGROUND = "background"
Connectivity = Literal["faces", "corners"]
"""Which voxels are neighbours: those that share a face (in flat images an edge), or a corner too."""


class MaskStepParameters(Parameters):
    """Base of the parameters of a post-processing step.

    `classes` names the classes, or the regions of a study that has some, which it changes, one after the other in the
    study's order; none means all but the background. Voxels that a structure loses become background, and it grows into
    background alone. Lengths and sizes are mm, mm2 of a flat image and mm3 of a volume; a pixel counts as 1 mm where
    the file says nothing of it. With `when: helps` the step is kept only where the selecting metric of the validation
    cases is better with it, which `fit` finds out with the chosen weights and notes in the model folder.
    """

    classes: Annotated[tuple[str, ...], Field(examples=[("tumour",)])] = ()
    when: Literal["always", "helps"] = "always"

    @property
    def settles(self) -> bool:
        """Whether a second time it changes nothing more."""
        return True

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Of classes that the study does not have."""
        return strange_classes(setting, "classes", self.classes)


def strange_classes(setting: Setting, key: str, names: Iterable[str], others: Iterable[str] = ()) -> Iterator[Flaw]:
    """A flaw for each name that is none of the study's classes or regions, nor one of `others`, or stands twice."""
    known = (*(name for name in setting.classes if name != BACKGROUND), *others)
    seen: set[str] = set()
    for name in names:
        if name not in known:
            what, remedy = f"the study has no {name!r}", did_you_mean(name, known)
            yield Flaw((*setting.place, key), what, repr(name), f"some of {', '.join(known)}", remedy=remedy)
        elif name in seen:
            what, remedy = f"{name!r} stands twice", "Name it once"
            yield Flaw((*setting.place, key), what, repr(name), "each name once", remedy=remedy)
        seen.add(name)


def mask_step_of(parameters: Parameters) -> MaskStepParameters:
    """The answers of a step. One whose parameters are of no `MaskStepParameters` says nothing of itself."""
    return parameters if isinstance(parameters, MaskStepParameters) else MaskStepParameters()
