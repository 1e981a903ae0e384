"""Batches for the loop: read ahead, augmented and brought to the device by a thread, while the device trains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

from wardround.engine.augmentation import Augmentation
from wardround.engine.sampling import BatchSource, Prefetcher
from wardround.engine.sampling.batch import Batch, widened
from wardround.engine.study import Study

Sent = TypeVar("Sent")


class Way(Protocol[Sent]):
    """How a batch gets from the store to where the network computes."""

    def send(self, batch: Batch) -> Sent:
        """Called in the reading thread, in order: augment the batch and bring it on its way."""

    def receive(self, sent: Sent) -> Batch:
        """Called in the thread that trains, in order: the batch, ready for use there, its masks int64."""


class Feed(Generic[Sent]):
    """The augmented batches of the steps from `start` up to, not including, `stop`, in order."""

    def __init__(self, source: BatchSource, start: int, stop: int, way: Way[Sent]) -> None:
        self._way = way
        self._prefetcher = Prefetcher(source, start, stop, way.send)
        self._sent: Iterator[Sent] = iter(self._prefetcher)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prefetcher.close()

    def next(self) -> Batch:
        """The next batch. Raises what reading or augmenting it raised."""
        return self._way.receive(next(self._sent))


def feed(study: Study, source: BatchSource, start: int, stop: int, device: torch.device) -> Feed[Batch] | Feed[Copied]:
    """The feed of a study for a device: over the bus to a CUDA device, in memory otherwise."""
    augment = Augmentation(study)
    if device.type == "cuda":
        return Feed(source, start, stop, OverTheBus(augment, device))
    return Feed(source, start, stop, InMemory(augment))


class InMemory:
    """Augmentation on the CPU, in the reading thread."""

    def __init__(self, augment: Augmentation) -> None:
        self._augment = augment

    def send(self, batch: Batch) -> Batch:
        """Augment, and widen the masks."""
        return self._augment(batch).with_truth(widened)

    def receive(self, sent: Batch) -> Batch:
        """The same."""
        return sent


@dataclass(frozen=True)
class Copied:
    """A batch that lies on the device once `ready` has happened there."""

    batch: Batch
    ready: torch.cuda.Event


class OverTheBus:
    """Page-locked memory, a copy and augmentation on the device, all on a stream of its own.

    So nothing of it waits for the training step that the device is busy with, and the loop waits for nothing but the
    batch that it needs next. Masks cross the bus in their narrow type. Four batches at most lie on the device: two
    ahead, one under way, one in use.
    """

    def __init__(self, augment: Augmentation, device: torch.device) -> None:
        self._augment, self._device = augment, device
        self._cuda: Any = torch.cuda
        self._stream = self._cuda.Stream(device)

    def send(self, batch: Batch) -> Copied:
        """Queue copy, augmentation and widening on the side stream; returns before they are done."""
        with self._cuda.stream(self._stream):
            batch = self._augment(_over(batch, self._device)).with_truth(widened)
            ready = self._cuda.Event()
            ready.record(self._stream)
        return Copied(batch, ready)

    def receive(self, sent: Copied) -> Batch:
        """Have the training stream wait for the batch, without waiting here."""
        training = self._cuda.current_stream(self._device)
        training.wait_event(sent.ready)
        for tensor in _tensors(sent.batch):
            # The memory belongs to the side stream, which would use it again while the step still reads it.
            tensor.record_stream(training)
        return sent.batch


def _over(batch: Batch, device: torch.device) -> Batch:
    """The batch on the way to `device`; the page-locked copy is kept by torch until the device has it."""

    def copy(tensor: Tensor) -> Tensor:
        return tensor.pin_memory().to(device, non_blocking=True)

    image, table = copy(batch.image), None if batch.table is None else copy(batch.table)
    return replace(batch.with_truth(copy), image=image, table=table)


def _tensors(batch: Batch) -> list[Tensor]:
    return [batch.image, *batch.truth.values(), *([] if batch.table is None else [batch.table])]
