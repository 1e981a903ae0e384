"""What every network has and answers for. Channels in and out come from the study, not from its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.setting import Setting

Dimensions = Literal[2, 3]
Factor = Annotated[int, Field(ge=1)]
"""By how much a grid is reduced."""
Norm = Literal["instance", "batch", "group"]
WHOLE_IMAGE_TASKS = frozenset({"classification", "multilabel", "regression", "survival"})
"""Those for which a network says a vector of the whole image."""


class NetworkParameters(Parameters):
    """What every network has."""

    dimensions: Dimensions = 3
    norm: Norm = "instance"

    @property
    def reduction(self) -> Factor:
        """How many voxels along each axis become one on the network's coarsest grid; 1 where no grid is reduced."""
        return 1

    @property
    def divisor(self) -> Factor:
        """What every side of a patch must be a multiple of."""
        return 1

    @property
    def smaller_divisor(self) -> str:
        """How a study gets a smaller divisor, such as "fewer `levels`"; empty where there is no way."""
        return ""

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A patch that cannot be divided, or of which too little is left."""
        yield from self._indivisible(setting)
        yield from self._without_variance(setting)

    def _indivisible(self, setting: Setting) -> Iterator[Flaw]:
        divisor, size = self.divisor, setting.patch
        if any(side % divisor for side in size):
            fitting = [max(divisor, -(-side // divisor) * divisor) for side in size]
            what, other = "the network cannot divide this patch evenly", self.smaller_divisor
            remedy = f"Write for example `size: {fitting}`" + (f", or {other} in `model`" if other else "")
            expected = f"multiples of {divisor}, such as {fitting}"
            yield Flaw(("patches", "size"), what, written(size), expected, remedy=remedy)

    def _without_variance(self, setting: Setting) -> Iterator[Flaw]:
        """Instance norm takes its variance over a sample's voxels, batch norm over those of the batch: one has none."""
        if self.norm == "group":
            return
        samples = setting.batch_size if self.norm == "batch" else 1
        if samples == 1 and all(side <= self.reduction for side in setting.patch):
            what = f"the network shrinks this patch to one voxel, of which {self.norm} norm has no variance"
            expected = f"a side longer than {self.reduction}, or `norm: group`"
            remedy = "Make the patch larger, or write `norm: group` in `model`"
            yield Flaw(("patches", "size"), what, written(setting.patch), expected, remedy=remedy)


def network_of(parameters: Parameters) -> NetworkParameters | None:
    """The answers of a network; None where its parameters are of no `NetworkParameters` and say nothing of it."""
    return parameters if isinstance(parameters, NetworkParameters) else None
