"""Losses that are a mean over voxels, and such a loss of a whole case."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from wardround.engine.losses.bycase import CaseLoss, CaseOf, Piece, Tally
from wardround.engine.losses.reading import Reading, ReadLoss


class MeanLoss(ReadLoss):
    """The mean of a value that each voxel has by itself."""

    @abstractmethod
    def at_voxels(self, reading: Reading) -> Tensor:
        """(samples, 1, voxels), or (samples, outputs, voxels) where each output has a value of its own."""

    def of(self, reading: Reading) -> Tensor:
        """(samples,) means over what counts."""
        return reading.mean(self.at_voxels(reading))

    def tally(self) -> Tally:
        """Begin a case."""
        return MeanTally(self)

    def of_case(self) -> CaseLoss:
        """The same loss of one case, piece by piece."""
        return CaseOf(self.tally())


class MeanTally:
    """The mean over a case's voxels, from its pieces' means."""

    def __init__(self, loss: MeanLoss) -> None:
        self._loss, self._sum, self._voxels = loss, 0.0, 0

    def take(self, piece: Piece) -> None:
        """Add some voxels."""
        self._sum += float(self._loss.of(piece.reading())) * len(piece.truth)
        self._voxels += len(piece.truth)

    def value(self) -> float:
        """The mean; 0 of no voxel."""
        return self._sum / max(self._voxels, 1)
