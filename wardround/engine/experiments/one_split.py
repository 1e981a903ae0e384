"""One split of a run, trained in a process of its own while others train theirs."""

from __future__ import annotations

from dataclasses import replace

from wardround.engine.cohort.assignment import SETS_FILE, read_assignment
from wardround.engine.experiments.folds import ShowProgress, fit_splits
from wardround.engine.experiments.order import Pages, SplitOrder
from wardround.engine.experiments.workbench import Survey, Workbench


def train_one_split(told: SplitOrder, pages: Pages, show: ShowProgress) -> None:
    """Train a split to its end and write its page, or go on where an earlier process stopped.

    Everything was checked, prepared and said by the process that gave the order; who is in which set is read from the
    run's record.

    Raises:
        InputError: the files have changed since, the loss is not finite, or the page cannot be made.
        Halted: a signal came; a checkpoint is on disk.
    """
    order = told.order
    survey = Survey.of(
        order.study,
        order.manifest,
        folds=order.folds,
        known=read_assignment(order.out / SETS_FILE),
        device=order.device,
        threads=order.threads,
    )
    splits = [named for named in survey.plan.splits if named.name == told.name]
    bench = Workbench.fill(survey, order.work or order.out, order.store_limit, told.sharing)
    fit_splits(replace(bench, start=order.start()), splits, order.out, show, pages.of_run)
