"""The patch source: any step's batch, without a history."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import stream
from wardround.engine.imaging.readable import copy_region
from wardround.engine.sampling.batch import Batch, SampleKey, Surroundings, label_type
from wardround.engine.sampling.memory import BatchMemory
from wardround.engine.sampling.order import EpochOrder
from wardround.engine.sampling.padding import padding_of
from wardround.engine.sampling.patches import PatchPlan
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


class PatchSource:
    """Batches of patches from stored cases.

    Samples run through epoch after epoch without a gap, so that every batch is full; a batch may hold the end of one
    epoch and the start of the next. A sample depends on the study's seed, its case's digest and its draw alone: not on
    the order of the cases, nor on what was read before. Safe to use from several threads.
    """

    def __init__(self, study: Study, cases: Sequence[StoredCase]) -> None:
        if not cases:
            raise InputError.one("there is no case to take patches from")
        self._study, self._known = study, dict[str, Surroundings]()
        self._seed, self._batch_size = study.seed, study.training.batch_size
        self._cases = {case.digest: case for case in cases}
        self._plan = PatchPlan(study.patches.size, study.patches.foreground)
        self._order = EpochOrder(study.seed, self._cases, study.patches.per_case)
        self._labelled = study.task == "segmentation"
        size = study.patches.size
        self._images = BatchMemory((self._batch_size, len(study.inputs), *size), torch.float32)
        self._labels = BatchMemory((self._batch_size, *size), label_type(len(study.class_names)))
        self._require_truth(cases)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample of an epoch has been seen."""
        return math.ceil(len(self._order) / self._batch_size)

    def keys(self, step: int) -> tuple[SampleKey, ...]:
        """The samples of a step, counted from 0."""
        first = step * self._batch_size
        return tuple(self._order.sample(number) for number in range(first, first + self._batch_size))

    def batch(self, step: int) -> Batch:
        """The patches of a step, in memory that is theirs for as long as anything refers to it.

        An error carries a note that names the case.
        """
        return self.patches(self.keys(step))

    def patches(self, keys: tuple[SampleKey, ...]) -> Batch:
        """The patches of samples, as many as a batch holds; as `batch` gives them."""
        image = self._images.tensor()
        label = self._labels.tensor() if self._labelled else None
        for place, key in enumerate(keys):
            try:
                self._fill(key, image[place].numpy(), None if label is None else label[place].numpy())
            except Exception as error:
                error.add_note(f"while taking patch {key.draw} of case {key.case}")
                raise
        surroundings = tuple(self._surroundings(self._cases[key.case]) for key in keys)
        return Batch(keys, image, label, self._targets(keys), surroundings)

    def corner(self, key: SampleKey) -> tuple[int, ...]:
        """A patch's first voxel in its case; negative along an axis that is shorter than the patch."""
        return self._plan.corner(self._cases[key.case], stream(self._seed, "patch", key.case, key.draw))

    def classes(self, key: SampleKey) -> set[int]:
        """The classes in a patch before it is augmented: of its voxels but the background, or its case's."""
        case, corner = self._cases[key.case], self.corner(key)
        if case.label is None:
            return set() if case.target is None else {case.target}
        inside = tuple(
            slice(max(start, 0), max(start + side, 0)) for start, side in zip(corner, self._plan.size, strict=True)
        )
        return {int(index) for index in np.unique(case.label[inside])} - {0}

    def _fill(self, key: SampleKey, image: np.ndarray, label: np.ndarray | None) -> None:
        case = self._cases[key.case]
        corner = self.corner(key)
        copy_region(case.voxels, corner, image, self._surroundings(case).padding)
        mask = case.mask
        if label is not None and mask is not None:
            copy_region(mask, corner, label[None])

    def _surroundings(self, case: StoredCase) -> Surroundings:
        known = self._known.get(case.digest)
        if known is None:
            known = Surroundings(case.geometry.spacing, padding_of(self._study, case.voxels))
            self._known[case.digest] = known
        return known

    def _targets(self, keys: tuple[SampleKey, ...]) -> torch.Tensor | None:
        if self._labelled:
            return None
        return torch.tensor([self._cases[key.case].target for key in keys], dtype=torch.int64)

    def _require_truth(self, cases: Sequence[StoredCase]) -> None:
        lacking = [case for case in cases if not (case.has_label if self._labelled else case.target is not None)]
        if lacking:
            what = "a mask" if self._labelled else "a value"
            raise InputError.one(f"a case to learn from has not {what}", where=f"case {lacking[0].digest[:12]}")
