"""The patch source: any step's batch, without a history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import stream
from wardround.engine.imaging.readable import copy_region
from wardround.engine.preprocessing.tables import as_row
from wardround.engine.sampling.batch import Batch, SampleKey, Surroundings
from wardround.engine.sampling.memory import BatchMemory
from wardround.engine.sampling.order import EpochOrder, groups_of
from wardround.engine.sampling.padding import padding_of
from wardround.engine.sampling.patches import PatchPlan
from wardround.engine.sampling.share import WHOLE, Share
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.targets import Form, target_of


class PatchSource:
    """Batches of patches from stored cases.

    Samples run through epoch after epoch without a gap, so that every batch is full; a batch may hold the end of one
    epoch and the start of the next. A sample depends on the study's seed, its case's digest and its draw alone: not on
    the order of the cases, nor on what was read before. Of each batch it gives the samples of a `share`. Safe to use
    from several threads.
    """

    def __init__(self, study: Study, cases: Sequence[StoredCase], share: Share = WHOLE) -> None:
        if not cases:
            raise InputError.one("there is no case to take patches from")
        self._study, self._known = study, dict[str, Surroundings]()
        self._seed, self._share, self._samples = study.seed, share, study.training.samples_per_step
        self._batch_size = share.of(self._samples)
        self._cases = {case.digest: case for case in cases}
        self._plan = PatchPlan.of(study)
        self._target = target_of(study)
        kinds = {digest: self._target.mixed_by(case) for digest, case in self._cases.items()}
        self._order = EpochOrder(study.seed, groups_of(study, cases), study.patches.per_case, kinds)
        self._forms, size = self._target.forms(study), study.patches.size
        self._images = BatchMemory((self._batch_size, len(study.inputs), *size), torch.float32)
        self._truths = {name: self._memory(form) for name, form in self._forms.items()}
        self._require_truth(cases)

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every sample of an epoch has been seen."""
        return math.ceil(len(self._order) / self._samples)

    def keys(self, step: int) -> tuple[SampleKey, ...]:
        """The samples of a step, counted from 0; those of the share."""
        first, batch = step * self._samples, self._study.training.batch_size
        places = (place for place in range(self._samples) if self._share.takes(place, batch))
        return tuple(self._order.sample(first + place) for place in places)

    def batch(self, step: int) -> Batch:
        """The patches of a step, in memory that is theirs for as long as anything refers to it.

        An error carries a note that names the case.
        """
        return self.patches(self.keys(step))

    def patches(self, keys: tuple[SampleKey, ...]) -> Batch:
        """The patches of samples, as many as a batch holds; as `batch` gives them."""
        image = self._images.tensor()
        truth = {name: memory.tensor() for name, memory in self._truths.items()}
        for place, key in enumerate(keys):
            try:
                self._fill(key, image[place].numpy(), {name: each[place].numpy() for name, each in truth.items()})
            except Exception as error:
                error.add_note(f"while taking patch {key.draw} of case {key.case}")
                raise
        surroundings = tuple(self._surroundings(self._cases[key.case]) for key in keys)
        return Batch(keys, image, truth, surroundings, self._table(keys))

    def _table(self, keys: tuple[SampleKey, ...]) -> torch.Tensor | None:
        if not self._study.columns:
            return None
        return torch.from_numpy(np.stack([as_row(self._cases[key.case].columns) for key in keys]))

    def corner(self, key: SampleKey) -> tuple[int, ...]:
        """A patch's first voxel in its case; negative along an axis that is shorter than the patch."""
        return self._plan.corner(self._cases[key.case], stream(self._seed, "patch", key.case, key.draw))

    def classes(self, key: SampleKey) -> set[int]:
        """The classes in a patch before it is augmented: of its voxels that count but the background, or its case's."""
        case, corner = self._cases[key.case], self.corner(key)
        if case.label is None:
            return set() if case.target is None else {case.target}
        inside = tuple(
            slice(max(start, 0), max(start + side, 0)) for start, side in zip(corner, self._plan.size, strict=True)
        )
        return {int(index) for index in np.unique(case.label[inside])} - {0, self._study.ignored_class}

    def _memory(self, form: Form) -> BatchMemory:
        shape = (*form.shape, *self._study.patches.size) if form.on_grid else form.shape
        return BatchMemory((self._batch_size, *shape), getattr(torch, form.dtype))

    def _fill(self, key: SampleKey, image: np.ndarray, truth: Mapping[str, np.ndarray]) -> None:
        case = self._cases[key.case]
        corner = self.corner(key)
        copy_region(case.voxels, corner, image, self._surroundings(case).padding)
        for name, held in self._target.held(case).items():
            if self._forms[name].on_grid:
                out = truth[name].reshape(-1, *self._study.patches.size)
                copy_region(held, corner, out, self._surroundings(case).beyond)
            else:
                truth[name][...] = held

    def _surroundings(self, case: StoredCase) -> Surroundings:
        known = self._known.get(case.digest)
        if known is None:
            known = Surroundings(case.geometry.spacing, padding_of(self._study, case.voxels), _beyond(case))
            self._known[case.digest] = known
        return known

    def _require_truth(self, cases: Sequence[StoredCase]) -> None:
        lacking = [case for case in cases if not self._target.is_known(case)]
        if lacking:
            what = f"a case to learn from has no {self._target.noun}"
            raise InputError.one(what, where=f"case {lacking[0].digest[:12]}", remedy=self._target.remedy)


def _beyond(case: StoredCase) -> tuple[float, ...]:
    """The least value of each image that is to be made, which lies around it."""
    return () if case.wanted_image is None else tuple(float(channel.min()) for channel in case.wanted_image)
