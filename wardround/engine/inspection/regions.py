"""What is worth knowing of regions that overlap, and of voxels that do not count."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import combinations
from math import prod
from typing import Protocol

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.imaging.image import Geometry
from wardround.engine.study.labels import spoken
from wardround.engine.study.models import Study
from wardround.engine.study.regions import in_order

_SHOWN = 3


class Read(Protocol):
    """A case whose mask may have been read."""

    @property
    def grid(self) -> Geometry:
        """Of its first channel."""

    @property
    def mask_values(self) -> frozenset[int] | None:
        """Values that its mask holds; None where there is no mask or it was not read."""

    @property
    def ignored(self) -> int:
        """How many voxels of its mask the study ignores."""


def separate_regions(study: Study) -> Iterator[Problem]:
    """Regions that no mask shows in one voxel, though a model may find both there: one of them alone is written."""
    pairs = [
        f"{first!r} and {second!r}"
        for (first, ones), (second, others) in combinations(in_order(study.regions).items(), 2)
        if not {*ones} & {*others}
    ]
    if pairs:
        more = f" and {len(pairs) - _SHOWN} more pairs" if len(pairs) > _SHOWN else ""
        what = f"no value of a mask lies in both of {', '.join(pairs[:_SHOWN])}{more}"
        yield Problem(
            f"{what}: where a model finds both in a voxel, the one that the network has later is written and scored",
            where="regions",
            got=f"in the order {', '.join(study.outputs)}",
            remedy="If structures never overlap, write `classes` instead; if they do, give the overlap a value of its "
            "own in the masks, and list it in both regions",
        )


def ignored_voxels(study: Study, cohort: Cohort, cases: Collection[Read]) -> Iterator[Problem]:
    """How much of the masks that were read does not count; or that no mask has such a voxel."""
    read = [case for case in cases if case.mask_values is not None]
    if study.ignore is None or not read:
        return
    having = [case for case in read if case.ignored]
    share = sum(case.ignored for case in read) / max(1, sum(prod(case.grid.shape) for case in read))
    if not having:
        what = f"no mask has a voxel of {spoken(study.ignore)}, which the study ignores"
        yield Problem(what, where=cohort.manifest.name)
        return
    shown = f"{share:.1%}" if share >= 0.001 else "less than 0.1%"
    what = f"{shown} of the voxels of all masks are ignored ({spoken(study.ignore)}), in {len(having)} of {len(read)}"
    yield Problem(f"{what}: they are neither learned from nor scored", where=cohort.manifest.name)
