"""What networks answer for that have a grid for each of several levels, an encoder, a decoder and skip connections."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.networks.network import NetworkParameters
from wardround.engine.parts.setting import Setting

Kernel = tuple[Literal[1, 3, 5, 7], ...]
"""Widths of a convolution along the axes."""
Stride = tuple[Annotated[int, Field(ge=1, le=4)], ...]
"""By how much a level is coarser than the one above, along the axes."""
_HALVED = 2


class LevelledParameters(NetworkParameters):
    """Base of the parameters of networks with an encoder, a decoder and skip connections.

    filters: feature maps at full resolution, doubled at each level below, up to `most_filters`. strides: by how much
    each level but the first is coarser than the one above, axis by axis, such as `[[1, 2, 2], [2, 2, 2]]` for three
    levels of volumes with thick slices; left out, each is halved along all axes. deep_supervision: in training, coarser
    grids of the decoder are held against the mask too, all but the coarsest two of the levels.
    """

    filters: Annotated[int, Field(ge=2, le=512)] = 16
    levels: Annotated[int, Field(ge=2, le=9)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    most_filters: Annotated[int | None, Added("0.4.0"), Field(ge=4, le=4096, examples=[320])] = None
    strides: Annotated[tuple[Stride, ...], Added("0.4.0"), Field(max_length=8)] = ()
    deep_supervision: Annotated[bool, Added("0.4.0")] = False

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps of each level, the finest first."""
        most = self.most_filters or math.inf
        return tuple(int(min(most, self.filters * 2**level)) for level in range(self.levels))

    @property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """By how much each level is coarser than the one above it; ones for the first."""
        below = self.strides or ((_HALVED,) * self.dimensions,) * (self.levels - 1)
        return ((1,) * self.dimensions, *below)

    @property
    def reductions(self) -> tuple[int, ...]:
        """The product of the strides of each axis."""
        return tuple(math.prod(along) for along in zip(*self.steps, strict=False))

    @property
    def divisors(self) -> tuple[int, ...]:
        """Each level below the first divides the patch by its stride."""
        return self.reductions

    @property
    def reduction(self) -> int:
        """Of the axis that is reduced most."""
        return max(self.reductions, default=1)

    @property
    def divisor(self) -> int:
        """What fits every axis."""
        return math.lcm(*self.divisors)

    @property
    def smaller_divisor(self) -> str:
        """Each level less divides it."""
        return "fewer `levels`, or other `strides`," if self.strides else "fewer `levels`"

    @property
    def scales(self) -> tuple[tuple[int, ...], ...]:
        """The levels of the decoder but its coarsest, which nnU-Net gives no weight either; two at the least."""
        count = max(2, self.levels - 2) if self.deep_supervision else 1
        grids = accumulate(self.steps[:count], lambda above, step: tuple(map(math.prod, zip(above, step, strict=True))))
        return tuple(grids)

    def slimmed(self) -> Self:
        """With few feature maps at every level."""
        return super().slimmed().model_copy(update={"most_filters": 2 * self.few_filters})

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Strides that do not fit levels and axes; deep supervision of one grid; and a patch that does not fit."""
        found = [*self._misshapen(setting)]
        yield from found
        if not found:
            yield from super().flaws(setting)

    def _misshapen(self, setting: Setting) -> Iterator[Flaw]:
        yield from self.per_level(setting, "strides", self.strides, self.levels - 1)
        if self.deep_supervision and self.levels == 2:
            what = "two levels have one grid that a decoder makes, and deep supervision needs another one"
            where, remedy = (*setting.place, "deep_supervision"), "Take the line out, or write `levels: 3` or more"
            yield Flaw(where, what, "`levels: 2`", "3 levels at least", remedy=remedy)

    def per_level(self, setting: Setting, key: str, found: Sequence[Sequence[int]], count: int) -> Iterator[Flaw]:
        """Numbers by level and axis, of which there are too few or too many; none are those that are usual."""
        if found and (len(found) != count or any(len(each) != self.dimensions for each in found)):
            expected = f"{count} lists of {self.dimensions} numbers"
            whose = "each level below the first" if count < self.levels else "each level"
            remedy = f"Write a list for {whose}, with a number for each axis; or take the line out"
            yield Flaw(
                (*setting.place, key),
                f"`{key}` does not fit `levels` and axes",
                written(found),
                expected,
                remedy=remedy,
            )


class BlocksParameters(LevelledParameters):
    """Base of those whose encoder has several blocks a level.

    blocks: how many at each level; unless told, those of the paper, and as many as at its last level further down.
    """

    usual_blocks: ClassVar[tuple[int, ...]] = (1,)
    blocks: Annotated[tuple[Annotated[int, Field(ge=1, le=32)], ...], Field(max_length=9)] = ()

    def slimmed(self) -> Self:
        """With few blocks too."""
        few = tuple(min(2, blocks) for blocks in self.blocks_by_level)
        return super().slimmed().model_copy(update={"blocks": few})

    @property
    def blocks_by_level(self) -> tuple[int, ...]:
        """Blocks of each level."""
        further = (self.usual_blocks[-1] for _ in range(self.levels))
        return self.blocks or (*self.usual_blocks, *further)[: self.levels]

    def _misshapen(self, setting: Setting) -> Iterator[Flaw]:
        yield from super()._misshapen(setting)
        if self.blocks and len(self.blocks) != self.levels:
            what, expected = "`blocks` does not fit `levels`", f"{self.levels} numbers, one for each level"
            remedy = "Write a number for each level, or take the line out"
            yield Flaw((*setting.place, "blocks"), what, written(self.blocks), expected, remedy=remedy)
