"""Masks: a class for each voxel, in an image file of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import BACKGROUND, by_value, listed, spoken
from wardround.engine.study.located_problems import Flaw
from wardround.engine.study.models import Study
from wardround.engine.study.truths import ValuesByClass
from wardround.engine.targets.classes import lacking_classes, stray_targets
from wardround.engine.targets.target import Column, Columns, Form, Holding, Target, Written

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
    """Classes by voxel; 0 is the background, which no class names and no score counts."""

    name = "mask"
    noun = "mask"
    remedy = "Give it a Label"
    first_value = 1
    on_grid = True
    written = Written.FILE
    unread = ("voxels", "intensities", "the values in masks")
    why_undefined = "Undefined: neither truth nor prediction has the class."
    selectable = "with a class in their masks"

    def classes(self, study: Study) -> ValuesByClass:
        """The background first, then the study's by their first values."""
        return {BACKGROUND: (0,), **by_value(study.classes)}

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No class may be the background, by name or by value."""
        yield from stray_targets(study)
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

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of a small mask with the classes of a case against itself, for each set of classes that a case has."""
        for present in dict.fromkeys(map(frozenset, truths)):
            mask = self._mask(study.dimensions, present)
            yield metric.scores(mask, mask, (1.0,) * study.dimensions, study.class_names)

    def _mask(self, axes: int, present: Collection[float]) -> np.ndarray:
        import numpy as np

        row = np.repeat(np.array([0, *sorted(present)], dtype=np.uint16), _SIDE)
        return np.ascontiguousarray(np.broadcast_to(row, (*(_SIDE,) * (axes - 1), len(row))))

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Empty masks have nothing to overlap with."""
        return "where every mask is empty" if not any(truths) else "with these masks"

    def bytes_per_voxel(self, study: Study) -> int:
        """One, or two for more classes than a byte can tell apart."""
        return 1 if len(study.class_values) <= _NARROW else 2

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`mask`: class indices by voxel, in one byte where they fit, so that little memory is moved."""
        return {self.name: Form("uint8" if len(study.class_names) <= _NARROW else "int32", on_grid=True)}

    def is_known(self, case: Holding) -> bool:
        """Whether it has a mask."""
        return case.has_label

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The mask, of which nothing is read yet."""
        return {self.name: case.mask}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Classes at random."""
        import numpy as np

        kind = np.dtype(self.forms(study)[self.name].dtype)
        made = np.random.default_rng(study.seed).integers(0, len(study.class_names), (samples, *shape))
        return {self.name: made.astype(kind)}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """Each class with its values, and what becomes of the others."""
        rest = "; every other value counts as background" if study.rest == "background" else ""
        return ", ".join(f"{name} ({spoken(each)})" for name, each in study.values_by_class.items()) + rest


MASK = Mask()
