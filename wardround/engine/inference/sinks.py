"""Where a dense prediction goes, slab by slab: what is kept of it is decided here, not where windows are blended.

The probabilities of a slab are in memory once and are overwritten by those of the next one; so what a prediction costs
beyond a window's depth of planes is what its sinks keep: one byte a voxel for labels, however many classes there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor

from wardround.engine.inference.painting import Painter
from wardround.engine.study.regions import Regions

Slab = tuple[int, Tensor]
"""The number of the first plane, and planes: float32 (planes, *others, classes) on the CPU."""


class Sink(Protocol):
    """Takes the slabs of one image, in order of the first axis, and each plane once."""

    def put(self, first: int, planes: Tensor) -> None:
        """Some planes, from plane number `first` on; they are overwritten afterwards."""


class LabelSink:
    """Keeps the most probable class of each voxel; of equal ones the first.

    Attributes:
        labels: (*shape) class indices, uint8 where they fit and else uint16.
    """

    def __init__(self, classes: int, shape: Sequence[int]) -> None:
        self.labels = np.empty(tuple(shape), dtype=np.uint8 if classes <= 256 else np.uint16)

    def put(self, first: int, planes: Tensor) -> None:
        """Reduce planes to labels, one plane after the other: the indices of a plane take eight bytes a voxel."""
        for plane, probabilities in zip(self.labels[first : first + len(planes)], planes, strict=True):
            plane[...] = probabilities.argmax(dim=-1).numpy()


class RegionSink:
    """Keeps the class of each voxel that lies in the regions which are found there (`Painter`).

    Attributes:
        labels: (*shape) class indices, uint8 where they fit and else uint16.
    """

    def __init__(self, regions: Regions, shape: Sequence[int]) -> None:
        self._painter = Painter(regions)
        self.labels = np.empty(tuple(shape), dtype=np.uint8 if len(regions.classes) <= 256 else np.uint16)

    def put(self, first: int, planes: Tensor) -> None:
        """Reduce planes to labels, one plane after the other."""
        for plane, probabilities in zip(self.labels[first : first + len(planes)], planes.numpy(), strict=True):
            plane[...] = self._painter.labels(self._painter.codes(np.moveaxis(probabilities, -1, 0)))


class ProbabilitySink:
    """Keeps all probabilities in memory.

    Attributes:
        whole: float32 (classes, *shape).
    """

    def __init__(self, classes: int, shape: Sequence[int]) -> None:
        self.whole = np.empty((classes, *shape), dtype=np.float32)

    def put(self, first: int, planes: Tensor) -> None:
        """Copy planes to their place."""
        self.whole[:, first : first + len(planes)] = np.moveaxis(planes.numpy(), -1, 0)


def drain(slabs: Iterable[Slab], *sinks: Sink) -> None:
    """Give every slab to every sink, before the next one is asked for."""
    for first, planes in slabs:
        for sink in sinks:
            sink.put(first, planes)
