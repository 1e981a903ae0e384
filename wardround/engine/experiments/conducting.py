"""A whole training at one hospital, from a table to trained models and their pages: checked, announced, run.

`wardround fit` and `site-client --local` conduct one each; pages are made by whoever is handed in (`Pages`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.files import require_space
from wardround.engine.basics.loudness import note
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import progress
from wardround.engine.basics.sizes import shown_size
from wardround.engine.basics.sole import require_idle
from wardround.engine.cohort import Folds
from wardround.engine.cohort.assignment import SETS_FILE, read_assignment, write_assignment
from wardround.engine.experiments.claims import require_a_runs
from wardround.engine.experiments.estimate import Estimate, UnreadableCaseError, estimate
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard, fit_splits
from wardround.engine.experiments.start import Start
from wardround.engine.experiments.workbench import Survey, Workbench
from wardround.engine.inspection.preflight import in_file
from wardround.engine.inspection.room import memory_shortage, needs_of, require_store_room, require_within_limit
from wardround.engine.preprocessing.fitting import fitted_places
from wardround.engine.study import Study
from wardround.engine.trial import trial_pass


@dataclass(frozen=True)
class Order:
    """What is to be trained, on what, and where.

    Attributes:
        study: the study.
        study_file: where it was read from, for problems to name.
        manifest: the CSV with one row per case.
        out: the run's folder.
        work: where preprocessed cases are kept; the run's folder where it is None.
        folds: an outer fold's number, all of them, or nested.
        device: auto, cpu, cuda or cuda:N.
        threads: CPU threads; None for all that the machine has.
        store_limit: bytes that preprocessed cases may take.
        start_from: a model folder whose weights it begins with; None for random ones.
    """

    study: Study
    study_file: Path
    manifest: Path
    out: Path
    work: Path | None = None
    folds: Folds | int = 0
    device: str = "auto"
    threads: int | None = None
    store_limit: int | None = None
    start_from: Path | None = None


class Pages(Protocol):
    """Makes what people look at."""

    def require_own(self, out: Path) -> None:
        """Raise `InputError` where the pages that compare splits would replace something else."""

    def of_run(self, workbench: Workbench, result: RunResult, name: str) -> Path:
        """Write the page of one split's run."""

    def of_splits(self, workbench: Workbench, board: Leaderboard, out: Path) -> Path:
        """Write the page that compares splits."""


def conduct(order: Order, pages: Pages) -> Leaderboard:
    """Check everything, announce time and disk, train every split, and write its pages.

    What an earlier, interrupted call has finished is not done again.

    Raises:
        InputError: with every problem of the study's parts, the table, the images and the folders.
        Halted: it was told to stop; a checkpoint of the present step is on disk.
    """
    survey, start = _survey(order)
    _require_usable(order, survey, pages)
    _tell(*survey.inspection.notices, *memory_shortage(needs_of(survey.study, survey.inspection.grids)))
    if not any((order.out / named.name).exists() for named in survey.plan.splits):
        _announce(order, survey)
    workbench = Workbench.fill(survey, order.work or order.out, order.store_limit)
    _look_at_masks(survey, workbench)
    if start is not None:
        images = {subject: content.image for subject, content in workbench.contents.items()}
        start.require_unseen(survey.plan.splits, images)
        note(*(f"note: {sentence}" for sentence in start.told()))
        workbench = replace(workbench, start=start)
    write_assignment(order.out / SETS_FILE, workbench.assignment)
    return _fit(order, survey, workbench, pages)


def _survey(order: Order) -> tuple[Survey, Start | None]:
    """Try the study's parts, check tables and headers. Voxels are read once, while the store is filled, before the
    first step; of a run that goes on, none: the store knows the files by their content.

    Patients that the run's folder knows keep their sets, whatever the table has become.
    """
    findings, survey, start = Findings(in_file(order.study_file, trial_pass(order.study))), None, None
    with findings.gather():
        known = read_assignment(order.out / SETS_FILE)
        survey = Survey.of(
            order.study,
            order.manifest,
            folds=order.folds,
            known=known,
            device=order.device,
            threads=order.threads,
        )
    with findings.gather():
        start = None if order.start_from is None else Start.of(order.start_from, order.study)
    if survey is None or findings.problems:
        raise InputError(findings.problems)
    return survey, start


def _require_usable(order: Order, survey: Survey, pages: Pages) -> None:
    """Before any voxel is read: two of the same command must not write into one another's files, and none into
    anybody else's."""
    findings = Findings()
    for named in survey.plan.splits:
        with findings.gather():
            require_idle(order.out / named.name)
            require_a_runs(order.out / named.name)
    if len(survey.plan.splits) > 1:
        with findings.gather():
            pages.require_own(order.out)
    findings.raise_if_any()


def _announce(order: Order, survey: Survey) -> None:
    """What the run will take, and whether the disk has it."""
    count, work = len(survey.plan.splits), order.work or order.out
    # A case that cannot be read is told as the store is filled, with all others that cannot.
    with contextlib.suppress(UnreadableCaseError):
        expected = estimate(survey, work)
        # Neither reckoning is exact, and what may be possible is not refused.
        least = min(_copies(survey, 1) * expected.store_bytes, needs_of(survey.study, survey.inspection.grids).disk)
        require_within_limit(least, order.store_limit)
        stored = _stored_bytes(order, _copies(survey, count) * expected.store_bytes)
        note(*_announcement(survey, expected, count, stored))
        require_store_room(stored, work)
        require_space(order.out, expected.run_bytes * count, "checkpoints and weights")


def _stored_bytes(order: Order, wanted: int) -> int:
    """Disk that the store takes; within its limit, what is not needed any more makes room."""
    return wanted if order.store_limit is None else min(wanted, order.store_limit)


def _announcement(survey: Survey, expected: Estimate, splits: int, stored: int) -> tuple[str, str, str]:
    split = survey.split
    counts = f"{len(split.train)} to train, {len(split.validation)} to validate, {len(split.test)} to test"
    steps = f"{expected.total_steps} steps, {expected.validations} validations"
    seconds = expected.prepare_seconds + splits * expected.train_seconds
    disk = stored + splits * expected.run_bytes
    many = f"{splits} splits, the first with " if splits > 1 else ""
    return (
        f"{len(survey.cohort.cases)} cases: {many}{counts}",
        f"{steps}, {expected.step_seconds:.2f} s a step",
        f"about {estimated_duration(seconds)} and {shown_size(disk)} of disk",
    )


def _copies(survey: Survey, splits: int) -> int:
    """How often a case lies in the store. Where steps are fitted: before them, and after them for each split."""
    return 1 + splits if fitted_places(survey.study) else 1


def _look_at_masks(survey: Survey, workbench: Workbench) -> None:
    """What is known only now that every voxel has been read. Raises `InputError` where there is nothing to learn."""
    workbench.require_foreground()
    splits = survey.plan.splits
    of_masks = *workbench.selection_notices(splits), *workbench.unseen_classes(splits)
    _tell(*workbench.notices, *workbench.padding_notices(), *of_masks)


def _fit(order: Order, survey: Survey, workbench: Workbench, pages: Pages) -> Leaderboard:
    """Train every split and write its page; a page that cannot be made keeps nothing from being trained."""
    splits, findings = survey.plan.splits, Findings()

    def tell(bench: Workbench, result: RunResult, name: str) -> None:
        with findings.gather():
            pages.of_run(bench, result, name)

    board = fit_splits(workbench, splits, order.out, progress, tell)
    if len(splits) > 1:
        pages.of_splits(workbench, board, order.out)
    findings.raise_if_any()
    return board


def _tell(*notices: Problem) -> None:
    for notice in notices:
        note(f"note: {notice.render()}")
