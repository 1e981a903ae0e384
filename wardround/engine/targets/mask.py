"""Masks: a class for each voxel, in an image file of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import BACKGROUND, listed, spoken
from wardround.engine.study.located_problems import Flaw
from wardround.engine.study.models import Study
from wardround.engine.study.regions import classes_within, ignored_flaws, in_order, region_flaws
from wardround.engine.study.truths import Outputs, ValuesByClass
from wardround.engine.targets.classes import lacking_classes, stray_targets
from wardround.engine.targets.target import Activation, Column, Columns, Form, Holding, Target, Written

if TYPE_CHECKING:
    import numpy as np

_SIDE = 8
_NARROW = 256
"""So many classes have indices that fit into a byte."""
_COLUMN = Column(
    "Label",
    "the paths of the masks",
    frozenset({"mask", "masks", "seg", "segmentation", "annotation", "groundtruth", "gt", "truth", "roi"}),
    is_file=True,
)


class Mask(Target):
    """Classes by voxel; 0 is the background, which no class names and no score counts. Regions that overlap, where a
    study names some, are read from classes: one for each combination of regions, unless the study names these too.
    Voxels that do not count have an index of their own behind those of the classes."""

    name = "mask"
    noun = "mask"
    remedy = "Give it a Label"
    has_regions = True
    first_value = 1
    on_grid = True
    written = Written.FILE
    unread = ("voxels", "intensities", "the values in masks")
    why_undefined = "Undefined: neither truth nor prediction has the class."
    selectable = "with a class in their masks"

    def classes(self, study: Study) -> ValuesByClass:
        """The background first, then the study's by their first values."""
        return {BACKGROUND: (0,), **classes_within(study.classes, study.regions)}

    def outputs(self, study: Study) -> Outputs:
        """The classes, or the regions from the largest to the smallest."""
        return tuple(in_order(study.regions)) or tuple(self.classes(study))

    def activation_of(self, study: Study) -> Activation:
        """Classes shut each other out, regions do not."""
        return Activation.SIGMOID if study.regions else Activation.SOFTMAX

    def title_of(self, study: Study) -> str:
        """Whether they are classes or regions."""
        return "regions" if study.regions else self.title

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No class may be the background, by name or by value."""
        yield from stray_targets(study)
        yield from region_flaws(study.classes, study.regions)
        yield from ignored_flaws(study.classes, study.regions, study.ignore)
        if not study.regions:
            yield from lacking_classes(study, least=1, example={"tumour": 1})
        for name, values in study.classes.items():
            if name.lower() == BACKGROUND:
                yield Flaw(
                    ("classes", name),
                    "the background of a segmentation is no class",
                    flow(values),
                    "classes of the foreground only",
                    remedy="Take the line out: 0 is background without being named; with `rest: background` so is "
                    "every value that no class has",
                )
            elif 0 in listed(values):
                alone = len(listed(values)) == 1
                yield Flaw(
                    ("classes", name),
                    "0 is the background of a segmentation and cannot have a name",
                    flow(values),
                    "1 or more",
                    remedy=f"Take the {'line' if alone else '0'} out: what has no class is background",
                )

    def columns(self, study: Study) -> Columns:
        """`Label`."""
        return (_COLUMN,)

    def classes_in_masks(self, study: Study) -> Mapping[int, str]:
        """All but the background."""
        return dict(enumerate(study.class_names[1:], start=1))

    def structures(self, study: Study) -> Mapping[str, frozenset[int]]:
        """The classes, or the regions with all classes that lie in each."""
        return super().structures(study) if study.overlaps is None else study.overlaps.structures

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of a small mask with the classes of a case against itself, for each set of classes that a case has."""
        for present in dict.fromkeys(map(frozenset, truths)):
            mask, spacing = self._mask(study.dimensions, present), (1.0,) * study.dimensions
            if study.overlaps is None:
                yield metric.scores(mask, mask, spacing, study.class_names)
                continue
            for name, table in study.overlaps.tables().items():
                yield metric.scores(table[mask], table[mask], spacing, (BACKGROUND, name))

    def _mask(self, axes: int, present: Collection[float]) -> np.ndarray:
        import numpy as np

        row = np.repeat(np.array([0, *sorted(present)], dtype=np.uint16), _SIDE)
        return np.ascontiguousarray(np.broadcast_to(row, (*(_SIDE,) * (axes - 1), len(row))))

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Empty masks have nothing to overlap with."""
        return "where every mask is empty" if not any(truths) else "with these masks"

    def bytes_per_voxel(self, study: Study) -> int:
        """One, or two for more classes than a byte can tell apart."""
        return 1 if study.mask_indices <= _NARROW else 2

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`mask`: class indices by voxel, in one byte where they fit, so that little memory is moved."""
        return {self.name: Form("uint8" if study.mask_indices <= _NARROW else "int32", on_grid=True)}

    def is_known(self, case: Holding) -> bool:
        """Whether it has a mask."""
        return case.has_label

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The mask, of which nothing is read yet."""
        return {self.name: case.mask}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Classes at random, and voxels that do not count where the study ignores some."""
        import numpy as np

        kind = np.dtype(self.forms(study)[self.name].dtype)
        made = np.random.default_rng(study.seed).integers(0, study.mask_indices, (samples, *shape))
        return {self.name: made.astype(kind)}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """Each class or region with its values, and what becomes of the others."""
        rest = "; every other value counts as background" if study.rest == "background" else ""
        ignored = f"; {spoken(study.ignore)} is ignored" if study.ignore is not None else ""
        named = in_order(study.regions) or study.values_by_class
        return ", ".join(f"{name} ({spoken(each)})" for name, each in named.items()) + ignored + rest


MASK = Mask()
