"""One hospital's cohort, checked, split and preprocessed: ready to learn from. `fit` and a federation's site use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Progress, Silent, progress
from wardround.engine.cohort import Case, Cohort, Split, Truth, cohort_digest, read_manifest, split_cohort
from wardround.engine.inspection import Depth, inspect_cohort
from wardround.engine.metrics.types import Evaluation
from wardround.engine.sampling import PatchSource
from wardround.engine.store import CaseStore
from wardround.engine.store.types import StoredCase
from wardround.engine.study import Study
from wardround.engine.training import Learner, configure_threads, resolve_device

SILENT: Progress = Silent()
Subset = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Workbench:
    """A study, a cohort in the store, and one split of it.

    Attributes:
        study: the study.
        cohort: all cases of the manifest.
        split: the three sets, by patient.
        stored: each case in the store, by subject.
        device: where networks run.
    """

    study: Study
    cohort: Cohort
    split: Split
    stored: Mapping[str, StoredCase]
    device: torch.device

    @classmethod
    def open(
        cls,
        study: Study,
        manifest: Path,
        work: Path,
        *,
        fold: int = 0,
        device: str = "auto",
        threads: int | None = None,
    ) -> Workbench:
        """Read and check everything, then fill the store under `work`.

        Raises `InputError` with every problem of the table and of the files before anything is written. Subjects whose
        case the store holds already are not read again.
        """
        configure_threads(threads)
        place = resolve_device(device)
        cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
        split = split_cohort(study, cohort, fold)
        inspect_cohort(study, cohort, Depth.HEADERS)
        store = CaseStore(work / "store")
        return cls(study, cohort, split, fill_store(study, cohort, store), place)

    def with_split(self, split: Split) -> Workbench:
        """The same cohort, split in another way."""
        return replace(self, split=split)

    @cached_property
    def cohort_digest(self) -> str:
        """SHA-256 over all cases, independent of their order."""
        return cohort_digest(case.digest for case in self.stored.values())

    @property
    def train_cases(self) -> tuple[StoredCase, ...]:
        """The cases to learn from."""
        return self.cases("train")

    @property
    def validation_cases(self) -> tuple[StoredCase, ...]:
        """The cases that select the best model."""
        return self.cases("validation")

    @property
    def test_cases(self) -> tuple[StoredCase, ...]:
        """The cases that nothing is chosen by."""
        return self.cases("test")

    def cases(self, subset: Subset) -> tuple[StoredCase, ...]:
        """The stored cases of one part of the split."""
        return tuple(self.stored[case.subject] for case in self._rows(subset))

    def source(self) -> PatchSource:
        """The patches of the training cases."""
        return PatchSource(self.study, self.train_cases)

    def learner(self, total_steps: int) -> Learner:
        """A learner with the study's initial weights, over a horizon of `total_steps`."""
        return Learner.create(self.study, total_steps, device=str(self.device))

    def evaluate(self, learner: Learner, subset: Subset, shown: Progress = SILENT) -> Evaluation:
        """Score the learner's present weights on one set. Its training stream does not change."""
        rows = self._rows(subset)
        if not rows:
            raise InputError.one(f"the {subset} set is empty", where=self.cohort.manifest.name)
        subjects = [case.subject for case in rows]
        return learner.task.evaluate(learner.network, self.cases(subset), subjects, learner.device, shown)

    def _rows(self, subset: Subset) -> tuple[Case, ...]:
        return {"train": self.split.train, "validation": self.split.validation, "test": self.split.test}[subset]


def fill_store(study: Study, cohort: Cohort, store: CaseStore) -> dict[str, StoredCase]:
    """Every case of the cohort in the store, by subject; what is there already is not read again."""
    with progress("Preprocessing", len(cohort.cases)) as shown:
        cases = store.open_cases(study, cohort.cases, shown)
    return {case.subject: stored for case, stored in zip(cohort.cases, cases, strict=True)}
