"""Batches for the loop: read ahead by a thread, which on a CPU also augments; on a CUDA device the device augments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

import torch

from wardround.engine.augmentation import Augmentation
from wardround.engine.sampling import BatchSource, Prefetcher
from wardround.engine.sampling.types import Batch
from wardround.engine.study import Study


class Feed:
    """The augmented batches of the steps from `start` up to, not including, `stop`, in order, on `device`."""

    def __init__(self, study: Study, source: BatchSource, start: int, stop: int, device: torch.device) -> None:
        augment = Augmentation(study)
        on_device = device.type == "cuda"
        self._device = device
        self._finish: Callable[[Batch], Batch] = augment if on_device else _unchanged
        self._prefetcher = Prefetcher(source, start, stop, _unchanged if on_device else augment, pin_memory=on_device)
        self._batches = iter(self._prefetcher)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prefetcher.close()

    def next(self) -> Batch:
        """The next batch. Raises what reading or augmenting it raised."""
        return self._finish(move(next(self._batches), self._device))


def move(batch: Batch, device: torch.device) -> Batch:
    """The batch on `device`; the same object if it is there."""
    if batch.image.device == device:
        return batch
    return replace(
        batch,
        image=batch.image.to(device, non_blocking=True),
        label=_move(batch.label, device),
        target=_move(batch.target, device),
    )


def _move(tensor: torch.Tensor | None, device: torch.device) -> torch.Tensor | None:
    return None if tensor is None else tensor.to(device, non_blocking=True)


def _unchanged(batch: Batch) -> Batch:
    return batch
