"""Losses that follow from sums over voxels, by class: of the prediction, of the truth, and of both together."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from wardround.engine.losses.bycase import CaseLoss, CaseOf, Piece
from wardround.engine.losses.reading import Reading, ReadLoss


@dataclass(frozen=True)
class Sums:
    """Sums over the voxels that count, each (samples, outputs).

    Attributes:
        both: of p q, the prediction where the class is the truth.
        predicted: of p, or of its square.
        true: of q.
        voxels: how many count, (samples, outputs or 1).
        background: whether the first output is the background.
    """

    both: Tensor
    predicted: Tensor
    true: Tensor
    voxels: Tensor
    background: bool

    @classmethod
    def of(cls, reading: Reading, power: int) -> Sums:
        """Those of a batch; `predicted` is the sum of the probabilities to this power."""
        p, q = reading.probabilities(), reading.target
        predicted = (p if power == 1 else p.pow(power)).sum(dim=2)
        return cls((p * q).sum(dim=2), predicted, q.sum(dim=2), reading.voxels(), reading.background)

    def over_batch(self) -> Sums:
        """All samples taken together, beside each of them."""
        both, predicted, true, voxels = (each.sum(dim=0, keepdim=True).expand_as(each) for each in self._tensors)
        return Sums(both, predicted, true, voxels, self.background)

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        pairs = zip(self._tensors, other._tensors, strict=True)
        both, predicted, true, voxels = (one + two for one, two in pairs)
        return Sums(both, predicted, true, voxels, self.background)

    def scored(self, values: Tensor, include_background: bool) -> Tensor:
        """Of (samples, outputs) values those that a loss takes the mean of."""
        return values if include_background or not self.background else values[:, 1:]

    @property
    def _tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.both, self.predicted, self.true, self.voxels


class SumsLoss(ReadLoss):
    """A loss that follows from `Sums`."""

    power = 1
    """To which power predictions are summed."""
    whole_batch = False
    """Whether the sums are those of all samples together."""

    @abstractmethod
    def of_sums(self, sums: Sums) -> Tensor:
        """(samples,) losses."""

    def of(self, reading: Reading) -> Tensor:
        """(samples,) losses; of the whole batch it is the same number for each sample."""
        sums = Sums.of(reading, self.power)
        return self.of_sums(sums.over_batch() if self.whole_batch else sums)

    def tally(self) -> SumsTally:
        """Begin a case."""
        return SumsTally(self)

    def of_case(self) -> CaseLoss:
        """The same loss of one case, piece by piece."""
        return CaseOf(self.tally())


class SumsTally:
    """A case's sums, in float64."""

    def __init__(self, loss: SumsLoss) -> None:
        self._loss = loss
        self._sums: Sums | None = None

    def take(self, piece: Piece) -> None:
        """Add some voxels."""
        found = _sums_of(piece, self._loss.power)
        self._sums = found if self._sums is None else self._sums.plus(found)

    def value(self) -> float:
        """The loss of all voxels together; 0 of none."""
        if self._sums is None or not self._sums.voxels.any():
            return 0.0
        return float(self._loss.of_sums(self._sums))


def _sums_of(piece: Piece, power: int) -> Sums:
    """Counted by class where each voxel has one: no one-hot is needed."""
    shares, truth, outputs = piece.shares, piece.truth, piece.shares.shape[1]
    if piece.exclusive:
        chosen = shares.gather(1, truth.unsqueeze(1)).squeeze(1)
        both = torch.bincount(truth, chosen.double(), minlength=outputs)
        true = torch.bincount(truth, minlength=outputs).double()
    else:
        both = (shares * truth).sum(dim=0, dtype=torch.float64)
        true = truth.sum(dim=0, dtype=torch.float64)
    predicted = (shares if power == 1 else shares.pow(power)).sum(dim=0, dtype=torch.float64)
    voxels = torch.full((1, 1), float(len(truth)), dtype=torch.float64)
    return Sums(both[None], predicted[None], true[None], voxels, piece.exclusive)
