"""The loss of a whole case, piece by piece: equal to the loss of the volume, without a one-hot or a logit of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from wardround.engine.losses.reading import Reading, one_hot


class CaseLoss(Protocol):
    """Takes a case's voxels in pieces, then says its loss."""

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Some voxels, of those that count: (voxels, outputs) float32 probabilities beside (voxels,) int64 classes; or
        beside (voxels, outputs) that are 1 where a voxel lies in a region, else 0. On the CPU."""

    def value(self) -> float:
        """The loss of all that was added: the study's loss of the outputs that give these probabilities."""


@runtime_checkable
class ByCase(Protocol):
    """A loss that can be taken piece by piece. One that cannot is given the whole volume."""

    def of_case(self) -> CaseLoss:
        """Begin a case."""


@dataclass(frozen=True)
class Piece:
    """Some voxels of a case.

    Attributes:
        shares: (voxels, outputs) float32 probabilities of which a logarithm can be taken; of classes they sum to one.
        truth: (voxels,) int64 classes, or (voxels, outputs) regions, 0 or 1.
    """

    shares: Tensor
    truth: Tensor

    @classmethod
    def of(cls, probabilities: Tensor, truth: Tensor) -> Piece:
        """From what `CaseLoss.add` is given."""
        if truth.ndim == 1:
            return cls(normalised(probabilities), truth)
        kind = torch.finfo(torch.float32)
        return cls(probabilities.clamp(kind.tiny, 1 - kind.eps / 2), truth.float())

    @property
    def exclusive(self) -> bool:
        """Whether the truth is one class for each voxel."""
        return self.truth.ndim == 1

    def reading(self) -> Reading:
        """The voxels as a batch of one sample, for a loss that is a mean over them."""
        outputs = (self.shares.log() if self.exclusive else self.shares.logit()).T.unsqueeze(0)
        target = one_hot(self.truth[None], outputs.shape[1]) if self.exclusive else self.truth.T.unsqueeze(0)
        return Reading(outputs, target, None, self.exclusive, self.exclusive, (len(self.truth),), ((1.0,),))


class Tally(Protocol):
    """Sums over a case's voxels from which one term of a loss follows."""

    def take(self, piece: Piece) -> None:
        """Add some voxels."""

    def value(self) -> float:
        """The term of all that was added; 0 of no voxel."""


class CaseOf:
    """A case's loss from terms, each with its weight."""

    def __init__(self, *tallies: Tally, weights: Sequence[float] = (1.0,)) -> None:
        self._terms = tuple(zip(weights, tallies, strict=True))

    def add(self, probabilities: Tensor, truth: Tensor) -> None:
        """Some voxels, as `CaseLoss.add` says."""
        piece = Piece.of(probabilities, truth)
        for _, tally in self._terms:
            tally.take(piece)

    def value(self) -> float:
        """The weighted sum of the terms."""
        return sum(weight * tally.value() for weight, tally in self._terms)


def normalised(probabilities: Tensor) -> Tensor:
    """(voxels, classes) that sum to one, none of them zero: blended windows leave rounding errors."""
    raised = probabilities.clamp_min(torch.finfo(torch.float32).tiny)
    return raised / raised.sum(dim=1, keepdim=True)
