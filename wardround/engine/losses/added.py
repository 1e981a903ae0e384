"""The weighted sum of two losses."""

from __future__ import annotations

from torch import Tensor

from wardround.engine.losses.bycase import CaseLoss, CaseOf
from wardround.engine.losses.means import MeanLoss
from wardround.engine.losses.reading import Reading, ReadLoss
from wardround.engine.losses.sums import SumsLoss


class AddedLoss(ReadLoss):
    """`weights[0]` times one loss plus `weights[1]` times the other."""

    def __init__(self, first: ReadLoss, second: ReadLoss, weights: tuple[float, float]) -> None:
        self._first, self._second, self._weights = first, second, weights

    def of(self, reading: Reading) -> Tensor:
        """(samples,) weighted sums."""
        one, other = self._weights
        return one * self._first.of(reading) + other * self._second.of(reading)


class AddedByCase(AddedLoss):
    """One that can be taken of a case piece by piece, as both of its terms can."""

    def __init__(self, first: SumsLoss, second: MeanLoss, weights: tuple[float, float]) -> None:
        super().__init__(first, second, weights)
        self._terms = (first, second)

    def of_case(self) -> CaseLoss:
        """The same loss of one case, piece by piece."""
        return CaseOf(*(term.tally() for term in self._terms), weights=self._weights)
