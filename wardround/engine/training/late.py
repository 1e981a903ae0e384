"""Losses that are read some steps after they were queued, so that neither loop nor device waits for the other.

A loss that is read at once makes the loop wait until the device has finished all it was given, and the device then
wait for the loop. On a CPU there is nothing to wait for, and each loss is read in its own step.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.sampling import SampleKey

_STEPS_BEHIND = 8
"""On an accelerator: enough for the loop to stay ahead of the device, few enough to see a fault soon."""


class DivergedError(InputError):
    """The loss or the weights are no longer finite numbers."""


@dataclass(frozen=True)
class StepRecord:
    """One finished step: its number, loss and learning rate, its seconds, and those of them spent waiting for data.

    On an accelerator the seconds are those that the loop took to queue the step; over many steps they add up to the
    same.
    """

    step: int
    loss: float
    learning_rate: float
    seconds: float
    waited: float


@dataclass(frozen=True)
class Made:
    """A step that was made, or queued on an accelerator; its loss may not be known yet."""

    step: int
    learning_rate: float
    seconds: float
    waited: float


@dataclass(frozen=True)
class _Waiting:
    step: int
    keys: Sequence[SampleKey]
    read: Callable[[], float]


class LateLosses:
    """The losses of a loop's steps, in order, each read `behind` steps after it was put in."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._waiting: deque[_Waiting] = deque()
        self._values: deque[float] = deque()
        self._made: deque[Made] = deque()

    @classmethod
    def on(cls, device: torch.device) -> LateLosses:
        """Those of a loop that computes on a device."""
        return cls(_STEPS_BEHIND if device.type == "cuda" else 0)

    def put(self, step: int, keys: Sequence[SampleKey], loss: Tensor) -> None:
        """A step's loss, before its gradients are taken. Raises `DivergedError` if one that is read is not finite."""
        self._waiting.append(_Waiting(step, keys, _on_its_way(loss)))
        self._read(self._behind)

    def made(self, step: Made) -> Iterator[StepRecord]:
        """The records that are complete now that this step was made too."""
        self._made.append(step)
        return self._complete()

    def all(self) -> Iterator[StepRecord]:
        """The records of all steps that were made. Waits for the device. Raises `DivergedError`."""
        self._read(0)
        return self._complete()

    def _read(self, behind: int) -> None:
        while len(self._waiting) > behind:
            waiting = self._waiting.popleft()
            value = waiting.read()
            if not math.isfinite(value):
                raise diverged(f"the loss is {value}", waiting.step, waiting.keys)
            self._values.append(value)

    def _complete(self) -> Iterator[StepRecord]:
        while self._values and self._made:
            made, loss = self._made.popleft(), self._values.popleft()
            yield StepRecord(made.step, loss, made.learning_rate, made.seconds, made.waited)


def diverged(what: str, step: int, keys: Sequence[SampleKey]) -> DivergedError:
    """The error that names a step and the cases that it learnt from."""
    cases = ", ".join(sorted({key.case[:12] for key in keys}))
    where = f"step {step}" + (f", cases {cases}" if cases else "")
    remedy = "Lower the learning rate, set training.gradient_clip, or look at these cases' intensities"
    return DivergedError([Problem(what, where=where, expected="finite numbers", remedy=remedy)])


def _on_its_way(loss: Tensor) -> Callable[[], float]:
    """How to read a loss later: from page-locked memory, to which the device copies it when it has it."""
    if loss.device.type != "cuda":
        return partial(float, loss)
    cuda: Any = torch.cuda
    host = torch.empty((), dtype=loss.dtype, pin_memory=True)
    host.copy_(loss, non_blocking=True)
    copied = cuda.Event()
    # On the stream of the loss: the current device, without one named, need not be the one that computes.
    copied.record(cuda.current_stream(loss.device))

    def read() -> float:
        copied.synchronize()
        return float(host)

    return read
