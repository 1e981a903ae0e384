"""One hospital's cohort, checked, split and preprocessed: ready to learn from. `fit` and a federation's site use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import Progress, Silent, progress
from wardround.engine.cohort import Case, Cohort, Split, cohort_digest, split_cohort
from wardround.engine.inspection import Depth, Inspection, check_manifest
from wardround.engine.metrics.types import Evaluation
from wardround.engine.sampling import PatchSource
from wardround.engine.store import CaseStore
from wardround.engine.store.types import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.models import Inference
from wardround.engine.training import Learner, configure_threads, resolve_device

SILENT: Progress = Silent()
Subset = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Survey:
    """A cohort whose table and files are sound, and one split of it. Nothing has been written.

    Attributes:
        study: the study.
        cohort: all cases of the manifest.
        split: the three sets, by patient.
        inspection: what the headers say, and what may surprise.
        device: where networks will run.
    """

    study: Study
    cohort: Cohort
    split: Split
    inspection: Inspection
    device: torch.device

    @classmethod
    def of(
        cls,
        study: Study,
        manifest: Path,
        *,
        fold: int = 0,
        device: str = "auto",
        threads: int | None = None,
        depth: Depth = Depth.HEADERS,
    ) -> Survey:
        """Read the manifest and every file to `depth`. Raises `InputError` with every problem."""
        configure_threads(threads)
        place = resolve_device(device)
        checked = check_manifest(study, manifest, depth)
        split = split_cohort(study, checked.cohort, fold)
        return cls(study, checked.cohort, split, checked.inspection, place)


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

        Raises `InputError` with every problem of the table and of the headers before anything is written, and with
        every case whose voxels cannot be used before anything is learned. What the store holds is not made again.
        """
        survey = Survey.of(study, manifest, fold=fold, device=device, threads=threads)
        return cls.fill(survey, work)

    @classmethod
    def fill(cls, survey: Survey, work: Path) -> Workbench:
        """Bring every case of a surveyed cohort into the store under `work`, which reads every voxel.

        Raises `InputError` with every case that cannot be used.
        """
        store = CaseStore(work / "store")
        stored = fill_store(survey.study, survey.cohort, store)
        bench = cls(survey.study, survey.cohort, survey.split, stored, survey.device)
        return bench.with_split(survey.split)

    def with_split(self, split: Split) -> Workbench:
        """The same cohort, split in another way. Raises `InputError` where two sets hold the same images."""
        bench = replace(self, split=split)
        _refuse_leaks(bench)
        return bench

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

    def evaluate(
        self, learner: Learner, subset: Subset, shown: Progress = SILENT, *, inference: Inference | None = None
    ) -> Evaluation:
        """Score the learner's present weights on one set; `inference` replaces the study's.

        Its training stream does not change. Raises `InputError` for an empty set.
        """
        rows = self._rows(subset)
        if not rows:
            raise InputError.one(f"the {subset} set is empty", where=self.cohort.manifest.name)
        subjects, cases = [case.subject for case in rows], self.cases(subset)
        return learner.task.evaluate(learner.network, cases, subjects, learner.device, shown, inference)

    def _rows(self, subset: Subset) -> tuple[Case, ...]:
        return {"train": self.split.train, "validation": self.split.validation, "test": self.split.test}[subset]


def fill_store(study: Study, cohort: Cohort, store: CaseStore) -> dict[str, StoredCase]:
    """Every case of the cohort in the store, by subject; what is there already is not read again."""
    with progress("Preprocessing", len(cohort.cases)) as shown:
        cases = store.open_cases(study, cohort.cases, shown)
    return {case.subject: stored for case, stored in zip(cohort.cases, cases, strict=True)}


def _refuse_leaks(bench: Workbench) -> None:
    """Equal files under two subjects would let a model be tested on what it learned."""
    findings = Findings()
    first: dict[str, tuple[str, str]] = {}
    sets = {"training": bench.split.train, "validation": bench.split.validation, "test": bench.split.test}
    for name, cases in sets.items():
        for case in cases:
            other, subject = first.setdefault(bench.stored[case.subject].digest, (name, case.subject))
            if other != name:
                findings.add(
                    f"this case has the same files as {subject!r} of the {other} set",
                    where=bench.cohort.place(case, ""),
                    got=f"a {name} case",
                    remedy="Remove one of them, or give both the same PatientID",
                )
    findings.raise_if_any()
