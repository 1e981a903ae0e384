"""What every network has and answers for. Channels in and out come from the study, not from its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.setting import Setting

Dimensions = Literal[2, 3]
Factor = Annotated[int, Field(ge=1)]
"""By how much a grid is reduced."""
Norm = Literal["instance", "batch", "group"]
Dropout = Annotated[float, Field(ge=0, lt=1)]
"""The share of features that a step of training leaves out."""
Filters = Annotated[int, Field(ge=4, le=256)]
"""Feature maps."""
WHOLE_IMAGE_TASKS = frozenset({"classification", "multilabel", "regression", "survival"})
"""Those for which a network says a vector of the whole image."""
DENSE_TASKS = frozenset({"segmentation", "synthesis"})
"""Those for which it says something of each voxel."""


class NetworkParameters(Parameters):
    """What every network has."""

    few_filters: ClassVar[int] = 8
    """Feature maps that are enough to see whether a network works."""
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
    def reductions(self) -> tuple[Factor, ...]:
        """`reduction` of each axis, for a network that does not reduce all alike."""
        return (self.reduction,) * self.dimensions

    @property
    def divisors(self) -> tuple[Factor, ...]:
        """`divisor` of each axis, for a network that does not divide all alike."""
        return (self.divisor,) * self.dimensions

    @property
    def least_side(self) -> Factor:
        """What every side of a patch must have at least, so that something is left of it on the coarsest grid."""
        return 1

    @property
    def smaller_divisor(self) -> str:
        """How a study gets a smaller divisor, such as "fewer `levels`"; empty where there is no way."""
        return ""

    @property
    def scales(self) -> tuple[tuple[Factor, ...], ...]:
        """By how much each grid on which it gives logits in training is coarser than the patch, per axis.

        The first is the patch's own; there are more under deep supervision. In evaluation it gives the first alone.
        """
        return ((1,) * self.dimensions,)

    @property
    def has_tokens(self) -> bool:
        """Whether it has transformer blocks, whose vectors are normalised by layer norm whatever `norm` says."""
        return False

    def slimmed(self) -> Self:
        """The same network with few feature maps: their number changes nothing but the time, in a trial."""
        filters = getattr(self, "filters", 0)
        return self.model_copy(update={"filters": self.few_filters}) if filters > self.few_filters else self

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A patch that cannot be divided, or of which too little is left."""
        yield from self._indivisible(setting)
        yield from self._too_small(setting)
        yield from self._without_variance(setting)

    def _indivisible(self, setting: Setting) -> Iterator[Flaw]:
        size = setting.patch
        divisors = self.divisors if len(size) == self.dimensions else (self.divisor,) * len(size)
        if any(side % divisor for side, divisor in zip(size, divisors, strict=True)):
            fitting = [-(-side // divisor) * divisor for side, divisor in zip(size, divisors, strict=True)]
            what, other = "the network cannot divide this patch evenly", self.smaller_divisor
            remedy = f"Write for example `size: {fitting}`" + (f", or {other} in `model`" if other else "")
            expected = f"multiples of {_by_axis(divisors)}, such as {fitting}"
            yield Flaw(("patches", "size"), what, written(size), expected, remedy=remedy)

    def _too_small(self, setting: Setting) -> Iterator[Flaw]:
        size, least = setting.patch, self.least_side
        if any(side < least for side in size):
            fitting = [max(side, least) for side in size]
            what = "the network reduces this patch until nothing is left of it"
            remedy = f"Write for example `size: {fitting}`, or name a network that reduces less"
            yield Flaw(("patches", "size"), what, written(size), f"sides of at least {least}", remedy=remedy)

    def _without_variance(self, setting: Setting) -> Iterator[Flaw]:
        """Instance norm takes its variance over a sample's voxels, batch norm over those of the batch: one has none."""
        if self.norm not in ("instance", "batch"):
            return
        samples = setting.batch_size if self.norm == "batch" else 1
        sides = zip(setting.patch, self.reductions, strict=False)  # a patch of other axes is told by itself
        if samples == 1 and all(side <= reduction for side, reduction in sides):
            what = f"the network shrinks this patch to one voxel, of which {self.norm} norm has no variance"
            expected = f"a side longer than {_by_axis(self.reductions)}, or `norm: group`"
            remedy = "Make the patch larger, or write `norm: group` in `model`"
            yield Flaw(("patches", "size"), what, written(setting.patch), expected, remedy=remedy)


def _by_axis(factors: tuple[int, ...]) -> str:
    """One number where all axes have the same, else one for each."""
    return str(factors[0]) if len({*factors}) == 1 else f"{list(factors)}, axis by axis"


def network_of(parameters: Parameters) -> NetworkParameters | None:
    """The answers of a network; None where its parameters are of no `NetworkParameters` and say nothing of it."""
    return parameters if isinstance(parameters, NetworkParameters) else None
