"""One hospital's cohort, checked, split and preprocessed: ready to learn from. `fit` and a federation's site use it."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch

from wardround.engine.basics.memory import builders_memory
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress, Silent
from wardround.engine.cohort import (
    Assignment,
    Case,
    Cohort,
    Folds,
    NamedSplit,
    Split,
    SplitPlan,
    cohort_digest,
)
from wardround.engine.cohort.twins import Contents, find_leaks, repeated_rows, without_repeats
from wardround.engine.experiments.filling import FittedCases, fill_store
from wardround.engine.experiments.fitting import StoredRow, fit_state, summarise
from wardround.engine.experiments.start import Start
from wardround.engine.inspection import Depth, Inspection, check_manifest
from wardround.engine.inspection.notices import Comparison, comparison_notices, no_foreground
from wardround.engine.inspection.padding import amid, is_padded, padding_notices
from wardround.engine.inspection.selection import selection_notices
from wardround.engine.inspection.unseen import unseen_classes
from wardround.engine.metrics.scores import Evaluation
from wardround.engine.preprocessing import Pipeline
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.fitting import before_fitting, is_fitted, require_state
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.engine.sampling import PatchSource
from wardround.engine.store import CaseStore
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.study.sections import Inference
from wardround.engine.training import Learner, configure_threads, resolve_device
from wardround.engine.training.team import ALONE, Team

SILENT: Progress = Silent()
Subset = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Survey:
    """A cohort whose table and files are sound, and splits of it. Nothing has been written.

    Attributes:
        study: the study.
        cohort: all cases of the manifest.
        plan: the splits that were asked for, and the record of who is in which set.
        inspection: what the headers say, and what may surprise.
        device: where networks will run.
    """

    study: Study
    cohort: Cohort
    plan: SplitPlan
    inspection: Inspection
    device: torch.device

    @classmethod
    def of(
        cls,
        study: Study,
        manifest: Path,
        *,
        folds: Folds | int = 0,
        known: Assignment | None = None,
        device: str = "auto",
        threads: int | None = None,
        depth: Depth = Depth.GRIDS,
    ) -> Survey:
        """Read the manifest and every file to `depth`. Raises `InputError` with every problem.

        By default no voxel is read: that is done once, when the store is filled, and images are compared then.
        `known` says who is in which set, where work goes on with a table that may have changed.
        """
        configure_threads(threads)
        place = resolve_device(device)
        checked = check_manifest(study, manifest, depth, folds, known)
        return cls(study, checked.cohort, checked.plan, checked.inspection, place)

    @cached_property
    def split(self) -> Split:
        """The three sets of the first split, without rows that repeat another one, as far as that is known."""
        return without_repeats(self.plan.splits[0].split, self.inspection.repeats)


@dataclass(frozen=True)
class Workbench:
    """A study, a cohort in the store, and one split of it.

    Attributes:
        study: the study.
        cohort: all cases of the manifest.
        split: the three sets, by patient.
        stored: each case in the store as it is learned from, by subject.
        device: where networks run.
        assignment: who is in which set of every fold that was made, to be kept where work goes on.
        store: where the cases lie.
        unfitted: each case as it is before the first fitted step, which all splits share; as `stored` where none is.
        state: what the fitted steps have learned from this split's training cases; empty before, or where none is.
        start: weights that its learners begin with in place of random ones.
        team: the processes that train one network together with this one.
    """

    study: Study
    cohort: Cohort
    split: Split
    stored: Mapping[str, StoredCase]
    device: torch.device
    assignment: Assignment
    store: CaseStore
    unfitted: Mapping[str, StoredCase]
    state: FittedState = EMPTY
    start: Start | None = None
    team: Team = ALONE

    @classmethod
    def open(
        cls,
        study: Study,
        manifest: Path,
        work: Path,
        *,
        fold: int = 0,
        known: Assignment | None = None,
        device: str = "auto",
        threads: int | None = None,
        store_limit: int | None = None,
    ) -> Workbench:
        """Read and check everything, then fill the store under `work`.

        Raises `InputError` with every problem of the table and of the headers before anything is written, and with
        every case whose voxels cannot be used before anything is learned. What the store holds is not made again.
        """
        survey = Survey.of(study, manifest, folds=fold, known=known, device=device, threads=threads)
        return cls.fill(survey, work, store_limit).fitted()

    @classmethod
    def fill(cls, survey: Survey, work: Path, store_limit: int | None = None, sharing: int = 1) -> Workbench:
        """Bring every case of a surveyed cohort into the store under `work`, which reads every voxel; `store_limit` is
        how many bytes it may hold, and `sharing` how many processes share this machine's memory.

        Nothing is fitted yet: `fitted` does that, or `with_state`. Raises `InputError` with every case that cannot be
        used.
        """
        store = CaseStore(work / "store", builders_memory(sharing), store_limit)
        stored = fill_store(before_fitting(survey.study), survey.cohort, store)
        split = survey.plan.splits[0].split
        contents = {subject: case.content for subject, case in stored.items()}
        assignment = survey.plan.assignment.with_images(survey.cohort, contents)
        bench = cls(survey.study, survey.cohort, split, stored, survey.device, assignment, store, stored)
        return bench.with_splits({"": split})[""]

    def with_splits(self, splits: Mapping[str, Split]) -> dict[str, Workbench]:
        """One for each split, before anything is fitted to its training cases: ask each for `fitted` when its turn has
        come. Raises `InputError` with every image that is in two sets of any of them."""
        findings = Findings()
        find_leaks(self.cohort, splits, self.contents, findings)
        findings.raise_if_any()
        repeats = repeated_rows(self.cohort, self.contents)
        bare = replace(self, stored=self.unfitted, state=EMPTY)
        return {name: replace(bare, split=without_repeats(split, repeats)) for name, split in splits.items()}

    def fitted(self) -> Workbench:
        """The same, with preprocessing that is fitted to this split's training cases alone, and every case in the store
        as it makes it; itself where that is so, or nothing is fitted.

        Raises `InputError` where the training cases give nothing to fit to.
        """
        return self if self.is_ready else self.with_state(self.learn())

    def learn(self) -> FittedState:
        """What preprocessing is fitted to this split's training cases with. Answers are kept in the store, so that no
        case is asked twice. Raises `InputError` where the training cases give nothing to fit to."""
        return fit_state(self.study, self._unfitted_rows, self.store.root)

    @property
    def is_ready(self) -> bool:
        """Whether the cases can be learned from: nothing has to be fitted, or it has been."""
        return not self.state.is_empty or not is_fitted(self.study)

    def _require_fitted(self) -> None:
        if not self.is_ready:
            require_state(self.study, self.state)

    def with_state(self, state: FittedState) -> Workbench:
        """The same with fitted values that were learned elsewhere, from cases of many hospitals. Raises `InputError`
        for those of another study."""
        ready = self.knowing(state)
        ready.prepare()
        return ready

    def knowing(self, state: FittedState) -> Workbench:
        """As `with_state`, but a case is prepared when it is asked for: `prepare` does all at once. Of a finished split
        few are."""
        require_state(self.study, state)
        stored = FittedCases(self.study, self.cohort, self.store, state) if state.steps else self.unfitted
        return replace(self, stored=stored, state=state)

    def prepare(self) -> None:
        """Have every case in the store as it is learned from. Raises `InputError` with every one that cannot be."""
        if isinstance(self.stored, FittedCases):
            self.stored.fill()

    def release(self) -> None:
        """Let the store remove what was prepared for this split alone, when it needs the room."""
        if isinstance(self.stored, FittedCases):
            self.stored.release()

    def summarise(self, request: Request, shown: Progress = SILENT) -> CohortSummary:
        """What this split's training cases answer to a request; no other case is looked at."""
        return summarise(self.study, request, self._unfitted_rows, self.store.root, shown)

    @property
    def _unfitted_rows(self) -> list[StoredRow]:
        return [(case, self.unfitted[case.subject]) for case in self.split.train]

    @cached_property
    def pipeline(self) -> Pipeline:
        """The study's preprocessing with what it has learned."""
        return Pipeline(self.study, self.state)

    @cached_property
    def notices(self) -> tuple[Problem, ...]:
        """What is worth knowing of rows that show the same image, now that every one has been decoded."""
        repeats = repeated_rows(self.cohort, self.contents)
        return comparison_notices(self.cohort, Comparison(self.contents, True, repeats))

    def unseen_classes(self, splits: Sequence[NamedSplit]) -> tuple[Problem, ...]:
        """Classes of a segmentation that no mask has, or none to learn from, now that they are read."""
        by_name = {named.name: named.split for named in splits}
        return tuple(unseen_classes(self.study, self.cohort, by_name, self._drawn))

    def selection_notices(self, splits: Sequence[NamedSplit]) -> tuple[Problem, ...]:
        """Where the masks of a segmentation leave nothing to choose the best weights by, now that they are read."""
        if not self._drawn:
            return ()  # the table has told
        return selection_notices(self.study, self.cohort, {named.name: named.split for named in splits}, self._drawn)

    def padding_notices(self) -> tuple[Problem, ...]:
        """Whether cases are padded amid their values; only those that are smaller than a patch are looked at."""
        if not self.is_ready:
            return ()  # what fills the room around a case is known once its values are
        small = {name: case for name, case in self.stored.items() if is_padded(self.study, case.geometry.shape)}
        found = {subject: amid(self.study, case.image) for subject, case in small.items()}
        return padding_notices(self.study, self.cohort, {name: value for name, value in found.items() if value})

    @cached_property
    def contents(self) -> Contents:
        """What each row shows and says, by subject."""
        return {subject: case.content for subject, case in self.unfitted.items()}

    def require_foreground(self) -> None:
        """Raise `InputError` if no mask has a voxel of a class: what is learned from such masks is background only.

        A site of a federation may have such a table, for others have more; one that learns alone may not.
        """
        if self._drawn and not any(self._drawn.values()):
            raise InputError([no_foreground(self.study, self.cohort)])

    @cached_property
    def _drawn(self) -> dict[str, frozenset[int]]:
        """By subject the classes of each mask; nothing where the truth is no mask."""
        return {subject: case.classes for subject, case in self.unfitted.items() if case.has_label}

    @cached_property
    def cohort_digest(self) -> str:
        """SHA-256 over all cases, independent of their order."""
        return cohort_digest(case.digest for case in self.unfitted.values())

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
        """The patches of the training cases. Raises `InputError` before preprocessing is fitted."""
        self._require_fitted()
        return PatchSource(self.study, self.train_cases, self.team.share)

    def learner(self, total_steps: int) -> Learner:
        """A learner with the weights of `start`, or the study's initial ones, over a horizon of `total_steps`.

        One that the caller has let go of before is gone by then: a device need not have room for two.
        """
        # torch's first optimiser leaves frames in a circle that hold what was being made.
        gc.collect()
        learner = Learner.create(self.study, total_steps, device=str(self.device), state=self.state, team=self.team)
        if self.start is not None:
            learner.load_weights(self.start.weights)
        return learner

    def evaluate(
        self,
        learner: Learner,
        subset: Subset,
        shown: Progress = SILENT,
        *,
        inference: Inference | None = None,
        most: int | None = None,
    ) -> Evaluation:
        """Score the learner's present weights on one set; `inference` replaces the study's. With `most`, so many cases
        at most: always the same ones, by their digests.

        Its training stream does not change. Raises `InputError` for an empty set.
        """
        self._require_fitted()
        rows = self._rows(subset)
        if not rows:
            raise InputError.one(f"the {subset} set is empty", where=self.cohort.manifest.name)
        if most is not None:
            by_digest = sorted(rows, key=lambda case: self.unfitted[case.subject].digest)
            chosen = {case.subject for case in by_digest[:most]}
            rows = tuple(case for case in rows if case.subject in chosen)
        subjects, cases = [case.subject for case in rows], [self.stored[case.subject] for case in rows]
        return learner.task.evaluate(learner.network, cases, subjects, learner.device, shown, inference)

    def _rows(self, subset: Subset) -> tuple[Case, ...]:
        return {"train": self.split.train, "validation": self.split.validation, "test": self.split.test}[subset]
