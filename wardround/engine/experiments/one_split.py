"""One split of a run, trained in a process of its own while others train theirs."""

from __future__ import annotations

from dataclasses import replace

from wardround.engine.cohort.assignment import SETS_FILE, read_assignment
from wardround.engine.experiments.folds import ShowProgress, fit_splits
from wardround.engine.experiments.order import Order, Pages, SplitOrder
from wardround.engine.experiments.workbench import Survey, Workbench


def train_one_split(told: SplitOrder, pages: Pages, show: ShowProgress) -> None:
    """Train a split to its end and write its page, or go on where an earlier process stopped.

    Everything was checked, prepared and said by the process that gave the order; who is in which set is read from the
    run's record.

    Raises:
        InputError: the files have changed since, the loss is not finite, or the page cannot be made.
        Halted: a signal came; a checkpoint is on disk.
    """
    survey, bench = open_again(told.order, told.sharing)
    splits = [named for named in survey.plan.splits if named.name == told.name]
    fit_splits(bench, splits, told.order.out, show, pages.of_run, told.order.tracking)


def open_again(order: Order, sharing: int) -> tuple[Survey, Workbench]:
    """What another process has checked and prepared, of `sharing` that share this machine's memory: the cases are in
    the store, and who is in which set is in the run's record. Raises `InputError`."""
    survey = Survey.of(
        order.study,
        order.manifest,
        folds=order.folds,
        known=read_assignment(order.out / SETS_FILE),
        device=order.device,
        threads=order.threads,
    )
    bench = Workbench.fill(survey, order.work or order.out, order.store_limit, sharing)
    return survey, replace(bench, start=order.start())
