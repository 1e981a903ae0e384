"""Overlapping regions of a segmentation, each a list of values of its masks: `whole_tumour: [1, 2, 4]`.

A mask has one value for each voxel, which belongs to every region that lists it. So masks are kept as they are, with a
class for the values that lie in the same regions, and regions are derived from classes where they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import BACKGROUND, Values, by_value, listed
from wardround.engine.study.located_problems import Flaw

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Regions:
    """How regions lie over the classes of a mask.

    Attributes:
        names: of the regions, in the order of a network's outputs: the largest first, by the number of its values.
        classes: for each class, the background first, in which of the regions it lies.
        painted: for each region the class that is written where no class lies in exactly the regions that were found.
    """

    names: tuple[str, ...]
    classes: tuple[tuple[bool, ...], ...]
    painted: tuple[int, ...]

    @property
    def exact(self) -> tuple[int, ...]:
        """The classes that are written for the regions in which they lie, one for each combination of regions."""
        first: dict[tuple[bool, ...], int] = {}
        for index, lies_in in enumerate(self.classes):
            first.setdefault(lies_in, index)
        return tuple(index for lies_in, index in first.items() if any(lies_in))

    @property
    def structures(self) -> dict[str, frozenset[int]]:
        """By region the classes that lie in it."""
        lying = zip(self.names, zip(*self.classes, strict=True), strict=True)
        return {name: frozenset(index for index, lies in enumerate(each) if lies) for name, each in lying}

    def tables(self) -> dict[str, np.ndarray]:
        """By region 1 for each class that lies in it and 0 for the others, uint8: `table[mask]` is its own mask."""
        import numpy as np

        lying = zip(self.names, zip(*self.classes, strict=True), strict=True)
        return {name: np.asarray(each, dtype=np.uint8) for name, each in lying}


def in_order(regions: Mapping[str, Values]) -> dict[str, tuple[int, ...]]:
    """The values of each region, from the region with most values to the one with fewest; equal ones by their values.

    A study's digest knows no order of keys, so that the order in which they are written cannot be that of the outputs.
    """
    named = {name: listed(values) for name, values in regions.items()}
    return dict(sorted(named.items(), key=lambda each: (-len(each[1]), sorted(each[1]), each[0])))


def classes_within(classes: Mapping[str, Values], regions: Mapping[str, Values]) -> dict[str, tuple[int, ...]]:
    """The classes of the masks: those that the study names, or else one for the values of each combination of
    regions, under their names."""
    if classes:
        return by_value(classes)
    ordered = in_order(regions)
    values = dict.fromkeys(value for each in ordered.values() for value in each)
    found: dict[str, list[int]] = {}
    for value in values:
        found.setdefault(", ".join(name for name, each in ordered.items() if value in each), []).append(value)
    return by_value({name: tuple(each) for name, each in found.items()})


def regions_over(classes: Mapping[str, Sequence[int]], regions: Mapping[str, Values]) -> Regions:
    """How a study's regions lie over all classes of its masks, the background first."""
    ordered = in_order(regions)
    return _over(tuple(values[0] for values in classes.values()), tuple(ordered.items()))


@lru_cache(maxsize=64)
def _over(values: tuple[int, ...], regions: tuple[tuple[str, tuple[int, ...]], ...]) -> Regions:
    lying = tuple(tuple(value in each for _, each in regions) for value in values)
    painted = tuple(_painted(values, lying, place, each) for place, (_, each) in enumerate(regions))
    return Regions(tuple(name for name, _ in regions), lying, painted)


def _painted(values: tuple[int, ...], lying: tuple[tuple[bool, ...], ...], place: int, region: tuple[int, ...]) -> int:
    """The class of a region that lies in fewest others; of equal ones that whose value the region lists first."""
    own = [index for index, lies_in in enumerate(lying) if lies_in[place]]
    return min(own, key=lambda index: (sum(lying[index]), region.index(values[index])))


def region_flaws(classes: Mapping[str, Values], regions: Mapping[str, Values]) -> Iterator[Flaw]:
    """What is wrong with the regions of a study, beside the classes that it names."""
    first: dict[frozenset[int], str] = {}
    for name, values in regions.items():
        yield from _own_flaws(name, values)
        same = first.setdefault(frozenset(listed(values)), name)
        if same != name:
            what = f"two regions have the same values: {same!r} and {name!r}"
            yield Flaw(("regions", name), what, flow(values), "each region once", remedy="Take one of the two out")
    if classes:
        yield from _beside_classes(classes, regions)


def _own_flaws(name: str, values: Values) -> Iterator[Flaw]:
    where, each = ("regions", name), listed(values)
    if name.lower() == BACKGROUND:
        remedy = "Take the line out: what lies in no region is background"
        yield Flaw(where, "the background of a segmentation is no region", flow(values), "regions only", remedy=remedy)
    elif 0 in each:
        what = "0 is the background of a segmentation and lies in no region"
        yield Flaw(where, what, flow(values), "1 or more", remedy="Take the 0 out")
    for value in dict.fromkeys(value for value in each if each.count(value) > 1):
        what, remedy = f"the value {value} stands twice in this region", f"Leave {value} in the list once"
        yield Flaw(where, what, flow(values), "each number once in a region", remedy=remedy)


def _beside_classes(classes: Mapping[str, Values], regions: Mapping[str, Values]) -> Iterator[Flaw]:
    """Values that no class has, and classes of which a region has a part."""
    known = {value: owner for owner, each in classes.items() for value in listed(each)}
    for name, values in regions.items():
        unknown = [value for value in listed(values) if value and value not in known]
        if unknown:
            what = f"the region has values that no class has: {', '.join(map(str, unknown))}"
            remedy = "Name them in `classes` too, or leave `classes` out: a study of regions needs none"
            yield Flaw(("regions", name), what, flow(values), f"some of {flow([*known])}", remedy=remedy)
        for owner in dict.fromkeys(known[value] for value in listed(values) if value in known):
            yield from _divided(name, values, owner, classes[owner])


def _divided(name: str, values: Values, owner: str, own: Values) -> Iterator[Flaw]:
    """A flaw where a region has some values of a class and not all."""
    missing = [str(value) for value in listed(own) if value not in listed(values)]
    if missing:
        what = f"the region has a part of the class {owner!r}, which lies in it as a whole or not at all"
        remedy = f"Add {', '.join(missing)} to the region, or make two classes of {owner!r}"
        yield Flaw(("regions", name), what, flow(values), f"{owner}: {flow(own)}", remedy=remedy)


def ignored_flaws(
    classes: Mapping[str, Values], regions: Mapping[str, Values], ignored: Values | None
) -> Iterator[Flaw]:
    """What is wrong with the values whose voxels do not count."""
    each = () if ignored is None else listed(ignored)
    if 0 in each:
        what = "0 is the background of a segmentation and cannot be ignored"
        remedy = "Give the voxels that do not count a value of their own in the masks, such as 255"
        yield Flaw(("ignore",), what, flow(ignored), "1 or more", remedy=remedy)
    for value in dict.fromkeys(value for value in each if each.count(value) > 1):
        what, remedy = f"the value {value} stands twice", f"Leave {value} in the list once"
        yield Flaw(("ignore",), what, flow(ignored), "each number once", remedy=remedy)
    for key, named in (("classes", classes), ("regions", regions)):
        for name, values in named.items():
            both = [value for value in dict.fromkeys(each) if value in listed(values)]
            if both:
                what = f"a value is to be learned and to be ignored: {', '.join(map(str, both))}"
                remedy = f"Take it out of `ignore`, or out of {name!r}"
                yield Flaw((key, name), what, flow(values), "values that are not in `ignore`", remedy=remedy)
