"""What the patch source hands to the training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class SampleKey:
    """Names one sample: with the study's seed it determines every random number that the sample needs."""

    case: str
    draw: int


@dataclass(frozen=True)
class Surroundings:
    """What a sample's case says beyond its voxels.

    Attributes:
        spacing: mm along each axis of the patch, after preprocessing.
        padding: per channel, the value of what lies outside the case.
        beyond: the same per image that is to be made; empty where none is.
    """

    spacing: tuple[float, ...]
    padding: tuple[float, ...]
    beyond: tuple[float, ...] = ()


@dataclass(frozen=True)
class Batch:
    """Samples of equal shape.

    Attributes:
        keys: one per sample.
        image: float32, (samples, channels, *patch).
        truth: by the names of the study's kind of truth (`Target.forms`), each with the samples first. Whole numbers
            are in the narrowest type that holds them until the batch lies where it is learnt from; int64 from there on.
        table: float64 (samples, columns), in the order of the study's columns: numbers as the table has them, places of
            levels, NaN where a cell is missing; None where the study has no columns.
        surroundings: one per sample; none where nothing is known of them: then voxels are cubes, and 0 lies outside.
    """

    keys: tuple[SampleKey, ...]
    image: torch.Tensor
    truth: Mapping[str, torch.Tensor]
    surroundings: tuple[Surroundings, ...] = ()
    table: torch.Tensor | None = None

    @property
    def label(self) -> torch.Tensor | None:
        """(samples, *patch), the indices of the voxels' classes; None where the truth is no mask."""
        return self.truth.get("mask")

    @property
    def target(self) -> torch.Tensor | None:
        """(samples,), the indices of the samples' classes; None where the truth is no category."""
        return self.truth.get("category")

    def with_truth(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """The batch with each tensor of its truth changed."""
        return replace(self, truth={name: change(tensor) for name, tensor in self.truth.items()})

    def one(self, place: int) -> Batch:
        """The sample at a place, as a batch of its own."""
        return self._part(slice(place, place + 1))

    def pieces(self, samples: int) -> tuple[Batch, ...]:
        """The batch as batches of so many samples; the last has what is left. Nothing is copied."""
        return tuple(self._part(slice(start, start + samples)) for start in range(0, len(self.keys), samples))

    def _part(self, only: slice) -> Batch:
        truth = {name: tensor[only] for name, tensor in self.truth.items()}
        table = None if self.table is None else self.table[only]
        return Batch(self.keys[only], self.image[only], truth, self.surroundings[only], table)


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """Whole numbers as int64, as a loss takes them; others as they are."""
    return tensor if tensor.is_floating_point() else tensor.long()
