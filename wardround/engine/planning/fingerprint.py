"""What is known of a set of cases before a study of it is planned: sums that merge, and no case by itself.

Two hospitals that merge their fingerprints know what one would that had all the cases (Isensee et al. 2021 call it the
dataset fingerprint). Imports no torch.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from wardround.engine.basics.closed import Closed
from wardround.engine.planning.sizes import usual
from wardround.engine.summaries import Extremes, Histogram, Moments, Octaves

Count = Annotated[int, Field(ge=0)]


class ChannelPrint(Closed):
    """The intensities of one channel, of voxels that are taken evenly from each case.

    Attributes:
        everywhere: of all voxels.
        range: the least and the greatest of them.
        structures: of voxels within the structures of masks; of all where there are no masks.
        moments: number, mean and deviation of these.
        whole_numbers: cases whose files hold whole numbers, as those of computed tomography do.
    """

    everywhere: Octaves
    range: Extremes
    structures: Octaves
    moments: Moments
    whole_numbers: Count = 0

    def merge(self, other: Self) -> Self:
        """Of both sets of cases."""
        return type(self)(
            everywhere=self.everywhere.merge(other.everywhere),
            range=self.range.merge(other.range),
            structures=self.structures.merge(other.structures),
            moments=self.moments.merge(other.moments),
            whole_numbers=self.whole_numbers + other.whole_numbers,
        )


class ClassPrint(Closed):
    """One value of masks.

    Attributes:
        value: which.
        voxels: in all cases together.
        volumes: in mm3, or in pixels where images tell no size, one of each case that has it.
        places: where it lies along the first axis, from 0 to 1, as the mean of each case that has it.
    """

    value: int
    voxels: Count
    volumes: Histogram
    places: Moments

    @property
    def cases(self) -> int:
        """How many have it."""
        return self.volumes.count

    def merge(self, other: Self) -> Self:
        """Of both sets of cases. Raises ValueError for another value."""
        if self.value != other.value:
            raise ValueError(f"the values {self.value} and {other.value} are two")
        return type(self)(
            value=self.value,
            voxels=self.voxels + other.voxels,
            volumes=self.volumes.merge(other.volumes),
            places=self.places.merge(other.places),
        )


class Fingerprint(Closed):
    """A set of cases.

    Attributes:
        cases: how many.
        is_body: whether all files say how they lie in the body, so that axes are those of RAS and lengths are in mm;
            otherwise lengths are in voxels.
        spacings: of each axis.
        extents: lengths of each axis, of the box of what is not zero.
        kept: share of each case that is left when it is cut to that box.
        voxels: of all cases together.
        channels: by the order of the inputs.
        classes: values of masks but 0, in their order.
    """

    cases: Count
    is_body: bool
    spacings: tuple[Histogram, ...] = Field(min_length=2, max_length=3)
    extents: tuple[Histogram, ...] = Field(min_length=2, max_length=3)
    kept: Histogram
    voxels: Count
    channels: tuple[ChannelPrint, ...] = Field(min_length=1)
    classes: tuple[ClassPrint, ...] = ()

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.spacings)

    @property
    def spacing(self) -> tuple[float, ...]:
        """The median of each axis; ones where files tell none."""
        return tuple(usual(each) for each in self.spacings)

    @property
    def foreground(self) -> float:
        """Share of all voxels that belong to a class."""
        return sum(each.voxels for each in self.classes) / self.voxels if self.voxels else 0.0

    def shape(self, spacing: tuple[float, ...], share: float = 0.5) -> tuple[int, ...]:
        """The median case, or another quantile along each axis, in voxels of a spacing."""
        pairs = zip(self.extents, spacing, strict=True)
        return tuple(max(1, round(usual(extent, share) / step)) for extent, step in pairs)

    def merge(self, other: Self) -> Self:
        """Of both sets of cases. Raises ValueError where their images have other axes or channels."""
        if (self.dimensions, len(self.channels)) != (other.dimensions, len(other.channels)):
            raise ValueError("images of other axes or channels are no one data set")
        return type(self)(
            cases=self.cases + other.cases,
            is_body=self.is_body and other.is_body,
            spacings=_merged(self.spacings, other.spacings),
            extents=_merged(self.extents, other.extents),
            kept=self.kept.merge(other.kept),
            voxels=self.voxels + other.voxels,
            channels=tuple(one.merge(two) for one, two in zip(self.channels, other.channels, strict=True)),
            classes=_of_both(self.classes, other.classes),
        )


def _merged(one: tuple[Histogram, ...], other: tuple[Histogram, ...]) -> tuple[Histogram, ...]:
    return tuple(mine.merge(yours) for mine, yours in zip(one, other, strict=True))


def _of_both(one: tuple[ClassPrint, ...], other: tuple[ClassPrint, ...]) -> tuple[ClassPrint, ...]:
    found = {each.value: each for each in one}
    for each in other:
        found[each.value] = found[each.value].merge(each) if each.value in found else each
    return tuple(found[value] for value in sorted(found))
