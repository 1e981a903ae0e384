"""Finders of a learning rate and of a batch size: a few steps on throw-away weights, of which nothing is kept."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from wardround.engine.basics.faults import is_out_of_memory
from wardround.engine.basics.memory import available_bytes
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.parts import Kind
from wardround.engine.parts.optimization import optimizer_of
from wardround.engine.study import Study
from wardround.engine.training import DivergedError, Learner

LOWEST, HIGHEST = 1e-7, 1.0
_SMOOTHING = 0.9
_TOO_MUCH = 4.0
"""Times the least loss: a test ends there."""
_EDGE = 5
"""Rates at the beginning of a test that are not chosen: its mean is still young."""
_STEPS = 2
"""Of a batch size; in the second everything is ready."""
_RESERVE = 0.9
"""Of the free memory, what a batch may take."""
_NEARLY = 1.05
"""A batch that is so much slower than the quickest one is as good."""


@dataclass(frozen=True)
class Tried:
    """A learning rate, the loss of the step before which it was set, and the mean of the losses so far."""

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class RateTest:
    """A learning-rate range test (Smith 2017).

    Attributes:
        tried: by rising rate.
        best: the rate at which the loss falls most steeply.
    """

    tried: tuple[Tried, ...]
    best: float


def find_learning_rate(workbench: Workbench, steps: int, shown: Progress = SILENT) -> RateTest:
    """Raise the learning rate from step to step, and see how the loss falls (Smith 2017).

    The same study, cases and steps give the same answer. Raises `InputError` for an optimiser that finds its own steps,
    and where no rate lowers the loss.
    """
    use = workbench.study.training.optimizer
    if not use.ask(Kind.OPTIMIZER, lambda parameters: optimizer_of(parameters).follows_schedule):
        what, remedy = f"the optimizer {use.name!r} finds its own steps", "Take its learning rate as it is"
        raise InputError.one(what, where="training.optimizer", got=use.name, remedy=remedy)
    bench = replace(workbench, study=_changed(workbench.study, schedule="constant", ema=None, patience=None))
    tried = tuple(_rising(bench, steps, shown))
    return RateTest(tried, _steepest(tried))


def _rising(bench: Workbench, steps: int, shown: Progress) -> Iterator[Tried]:
    learner, source = bench.learner(steps), bench.source()
    own, mean, least = learner.learning_rate(0), 0.0, math.inf
    for step in range(steps):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1))
        learner.rate_scale = rate / own
        try:
            loss = learner.train(source, step, step + 1)
        except DivergedError:
            return
        shown.advance(step + 1, f"learning rate {rate:.1e}, loss {loss:.4f}")
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed = mean / (1 - _SMOOTHING ** (step + 1))
        least = min(least, smoothed)
        yield Tried(rate, loss, smoothed)
        if step > _EDGE and smoothed > least + (_TOO_MUCH - 1) * abs(least):
            return


def _steepest(tried: Sequence[Tried]) -> float:
    """The rate at which the smoothed loss falls most for the same factor of the rate."""
    falls = [
        (after.smoothed - before.smoothed, at.rate)
        for before, at, after in zip(tried[_EDGE:], tried[_EDGE + 1 :], tried[_EDGE + 2 :], strict=False)
    ]
    if not falls or min(falls)[0] >= 0:
        raise InputError.one(
            "no learning rate of those that were tried lowers the loss",
            got=f"{len(tried)} rates from {LOWEST:g} to {tried[-1].rate if tried else LOWEST:.1e}",
            expected="a loss that falls at some of them",
            remedy="Try more of them with --steps, or look at the study: its loss, preprocessing and patches",
        )
    return min(falls)[1]


@dataclass(frozen=True)
class SizeTried:
    """A batch size: seconds for a sample, and the most memory in bytes that the process, or the GPU, has held."""

    size: int
    seconds: float
    memory: int


@dataclass(frozen=True)
class SizeTest:
    """Batch sizes that fit, and why there are no larger ones.

    Attributes:
        tried: by rising size.
        best: the smallest that is as quick for a sample as any.
        end: why no larger one was tried, in words.
    """

    tried: tuple[SizeTried, ...]
    best: int
    end: str


def find_batch_size(workbench: Workbench, most: int, shown: Progress = SILENT) -> SizeTest:
    """Double the batch size until memory would not do, or `most` is reached.

    A size is not tried where the growth of the last one says that it would not fit into nine tenths of what is free: a
    system that runs out of memory kills without a word. Raises `InputError` where even one sample does not fit.
    """
    tried, size, end = list[SizeTried](), 1, f"{most} is the most that was asked for"
    while size <= most:
        if _next_memory(tried) > _RESERVE * _room(workbench.device, tried):
            end = f"{size} would need about {_next_memory(tried) / 2**30:.1f} GB"
            break
        try:
            tried.append(_try_size(workbench, size))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            end = f"{size} does not fit into memory"
            break
        shown.advance(len(tried), f"batch size {size}: {tried[-1].seconds:.3f} s a sample")
        size *= 2
    if not tried:
        raise InputError.one(
            "not even one sample fits into memory",
            where="training.batch_size",
            expected="smaller patches, or a smaller network",
            remedy="Make patches.size smaller, or the model's filters or levels fewer",
        )
    quickest = min(each.seconds for each in tried)
    best = next(each.size for each in tried if each.seconds <= _NEARLY * quickest)
    return SizeTest(tuple(tried), best, end)


def _try_size(workbench: Workbench, size: int) -> SizeTried:
    bench = replace(workbench, study=_changed(workbench.study, batch_size=size, accumulate=1))
    learner, source, device = bench.learner(_STEPS), bench.source(), workbench.device
    cuda: Any = torch.cuda
    if device.type == "cuda":
        cuda.reset_peak_memory_stats(device)
    return SizeTried(size, _seconds_of(learner, source) / size, _held(device))


def _seconds_of(learner: Learner, source: Any) -> float:
    seconds = []
    for step in range(_STEPS):
        began = time.perf_counter()
        learner.train(source, step, step + 1)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _held(device: torch.device) -> int:
    """The most bytes that a GPU has held for this process, or that the process has."""
    cuda: Any = torch.cuda
    if device.type == "cuda":
        return int(cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _next_memory(tried: Sequence[SizeTried]) -> float:
    """Bytes that the next size will take, if it adds twice what the last one did; 0 while nothing is known of that."""
    if len(tried) < 2:
        return 0.0
    return tried[-1].memory + 2.0 * max(0, tried[-1].memory - tried[-2].memory)


def _room(device: torch.device, tried: Sequence[SizeTried]) -> float:
    """Bytes that there are for this process, those included that it has."""
    cuda: Any = torch.cuda
    if device.type == "cuda":
        free, _ = cuda.mem_get_info(device)
        return float(free + cuda.memory_reserved(device))
    return float(available_bytes() + (tried[-1].memory if tried else 0))


def _changed(study: Study, **training: Any) -> Study:
    """The study with other values of its training."""
    content = study.model_dump(by_alias=True)
    return Study.model_validate({**content, "training": {**content["training"], **training}})
