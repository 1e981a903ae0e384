"""A whole training at one hospital, from a table to trained models and their pages: checked, announced, run.

`wardround fit` and `site-client --local` conduct one each; pages are made by whoever is handed in (`Pages`).
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from wardround.engine.basics.durations import estimated_duration
from wardround.engine.basics.files import require_space
from wardround.engine.basics.loudness import note
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import progress
from wardround.engine.basics.sizes import shown_size
from wardround.engine.basics.sole import require_idle
from wardround.engine.cohort.assignment import SETS_FILE, read_assignment, write_assignment
from wardround.engine.experiments.claims import require_a_runs
from wardround.engine.experiments.estimate import Estimate, UnreadableCaseError, estimate
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard, fit_splits
from wardround.engine.experiments.order import Order, Pages
from wardround.engine.experiments.side_by_side import ONE_BY_ONE, SideBySide, fit_side_by_side
from wardround.engine.experiments.start import Start
from wardround.engine.experiments.together import require_fit_for
from wardround.engine.experiments.workbench import Survey, Workbench
from wardround.engine.inspection.preflight import in_file
from wardround.engine.inspection.room import memory_shortage, needs_of, require_store_room, require_within_limit
from wardround.engine.preprocessing.fitting import fitted_places
from wardround.engine.sampling.share import Share
from wardround.engine.training.team import ALONE, Team
from wardround.engine.trial import trial_pass


def conduct(order: Order, pages: Pages, beside: SideBySide = ONE_BY_ONE, team: Team = ALONE) -> Leaderboard:
    """Check everything, announce time and disk, train every split, and write its pages.

    Splits are trained one after another, or several at a time, each in a process of its own, as `beside` says; or each
    by all processes of `team`, which this one leads.
    What an earlier, interrupted call has finished is not done again.

    Raises:
        InputError: with every problem of the study's parts, the table, the images and the folders.
        UnfinishedError: with every split that ended before its training was finished; all others are.
        KeyboardInterrupt: it was told to stop; a checkpoint of the present step of each split is on disk.
    """
    survey, start = _survey(order, team)
    _require_usable(order, survey, pages)
    _tell(*survey.inspection.notices, *memory_shortage(needs_of(survey.study, survey.inspection.grids)))
    if not any((order.out / named.name).exists() for named in survey.plan.splits):
        _announce(order, survey, beside.count, team.share)
    workbench = Workbench.fill(survey, order.work or order.out, order.store_limit)
    _look_at_masks(survey, workbench)
    if start is not None:
        images = {subject: content.image for subject, content in workbench.contents.items()}
        start.require_unseen(survey.plan.splits, images)
        told = *start.told(), *start.of_validation(survey.plan.splits, images)
        note(*(f"note: {sentence}" for sentence in told))
        workbench = replace(workbench, start=start)
    write_assignment(order.out / SETS_FILE, workbench.assignment)
    board = _fit(order, survey, replace(workbench, team=team), pages, beside)
    team.tell()  # there is nothing more to be done
    return board


def _survey(order: Order, team: Team) -> tuple[Survey, Start | None]:
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
        start = order.start()
    with findings.gather():
        require_fit_for(order.study, team)
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
    with findings.gather():
        order.tracking.require_ready(order.study.study)
    findings.raise_if_any()


def _announce(order: Order, survey: Survey, together: int, share: Share) -> None:
    """What the run will take, and whether the disk has it, where so many splits are trained together."""
    count, work = len(survey.plan.splits), order.work or order.out
    # A case that cannot be read is told as the store is filled, with all others that cannot.
    with contextlib.suppress(UnreadableCaseError):
        expected = estimate(survey, work, share)
        # Neither reckoning is exact, and what may be possible is not refused.
        single = min(_copies(survey, 1) * expected.store_bytes, needs_of(survey.study, survey.inspection.grids).disk)
        at_once = _copies(survey, min(together, count))
        require_within_limit(single * at_once // _copies(survey, 1), order.store_limit)
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


def _fit(order: Order, survey: Survey, workbench: Workbench, pages: Pages, beside: SideBySide) -> Leaderboard:
    """Train every split and write its page; a page that cannot be made keeps nothing from being trained."""
    splits, findings = survey.plan.splits, Findings()
    # Those are finished now, and their pages written.
    told = fit_side_by_side(order, beside, workbench, splits) if beside.count > 1 else frozenset[str]()

    def tell(bench: Workbench, result: RunResult, name: str) -> None:
        with findings.gather():
            if name not in told:
                pages.of_run(bench, result, name)

    board = fit_splits(workbench, splits, order.out, progress, tell, order.tracking)
    if len(splits) > 1:
        pages.of_splits(workbench, board, order.out)
    findings.raise_if_any()
    return board


def _tell(*notices: Problem) -> None:
    for notice in notices:
        note(f"note: {notice.render()}")
