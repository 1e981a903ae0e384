"""One training by several processes: what the others do while the first conducts it, and which studies allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import nn

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.signals import halting
from wardround.engine.experiments.fit import planned_length
from wardround.engine.experiments.folds import benches_of
from wardround.engine.experiments.one_split import open_again
from wardround.engine.experiments.order import Order
from wardround.engine.experiments.stretch import Stretch
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.networks.build import build_network
from wardround.engine.parts.losses import loss_of
from wardround.engine.study import Study
from wardround.engine.training import Halted
from wardround.engine.training.team import Team


def require_fit_for(study: Study, team: Team) -> None:
    """Raise `InputError` with all that would make a step of several processes another one than that of one."""
    problems = [*_unfit(study, team.size)] if team.size > 1 else []
    if problems:
        raise InputError(problems)


def _unfit(study: Study, size: int) -> Iterator[Problem]:
    training = study.training
    if training.batch_size % size:
        yield Problem(
            "a batch cannot be divided among the processes",
            where="training.batch_size",
            got=str(training.batch_size),
            expected=f"a multiple of {size}, the number of processes",
            remedy="Start another number of them with `torchrun`, or write another batch size, which is another study",
        )
    if not loss_of(training.loss.parameters).by_sample:
        yield Problem(
            "this loss looks at a batch as a whole, of which each process sees only its share",
            where="training.loss",
            got=training.loss.name,
            expected="a loss of each sample by itself",
            remedy="Take `batch` out of the loss or choose another one, or train in one process",
        )
    if any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in build_network(study).modules()):
        yield Problem(
            "batch norm would take its statistics over the share of each process, and not over the batch",
            where="model.norm",
            got="batch norm",
            expected="`norm: instance`, `group` or `layer`, where the network has them",
            remedy="Choose another norm, which is another study, or train in one process",
        )


def follow(order: Callable[[], Order], team: Team) -> None:
    """Train with the process that conducts the same order, until that one says that all is done. Writes nothing.

    Raises:
        InputError: this process cannot read what the leader could.
        TeamLostError: the leader has ended.
        Halted: a signal came to one of them.
    """
    benches: dict[str, Workbench] = {}
    while name := team.tell().decode():
        benches = benches or _benches(order(), team)
        _train_with(benches[name], team)


def _benches(order: Order, team: Team) -> dict[str, Workbench]:
    """A workbench for each split, of cases that the leader has prepared."""
    survey, bench = open_again(order, team.size)
    return benches_of(replace(bench, team=team), survey.plan.splits)


def _train_with(bench: Workbench, team: Team) -> None:
    """Take this process's share of every step of a split."""
    bench.prepare()
    learner, source = bench.learner(planned_length(bench).total_steps), bench.source()
    while told := team.tell():
        stretch = Stretch.model_validate_json(told)
        learner.rate_scale = stretch.rate_scale
        with halting() as halt:
            learner.train(source, stretch.start, stretch.stop, halt=halt)
            if team.any(halt()):
                raise Halted(stretch.stop)
