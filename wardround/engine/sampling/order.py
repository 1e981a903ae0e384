"""The order in which an epoch visits its samples: a function of the seed and the cases' content alone."""

from __future__ import annotations

from collections.abc import Iterable

from wardround.engine.basics.randomness import stream_key
from wardround.engine.sampling.batch import SampleKey


class EpochOrder:
    """Every epoch holds `per_case` samples of each case, sorted by a pseudo-random key per seed, epoch, case and draw.

    So it is the same whatever the order of the cases, and an epoch needs nothing of the one before.
    """

    def __init__(self, seed: int, digests: Iterable[str], per_case: int) -> None:
        self._seed, self._per_case = seed, per_case
        self._digests = tuple(sorted(digests))
        self._recent: tuple[int, tuple[SampleKey, ...]] | None = None

    def __len__(self) -> int:
        return len(self._digests) * self._per_case

    def sample(self, number: int) -> SampleKey:
        """The sample of that number, counted from 0 over all epochs."""
        epoch, place = divmod(number, len(self))
        return self.epoch(epoch)[place]

    def epoch(self, epoch: int) -> tuple[SampleKey, ...]:
        """All samples of an epoch, in order. The last one asked for is kept."""
        recent = self._recent
        if recent is None or recent[0] != epoch:
            recent = (epoch, self._sorted(epoch))
            self._recent = recent
        return recent[1]

    def _sorted(self, epoch: int) -> tuple[SampleKey, ...]:
        first = epoch * self._per_case
        draws = range(first, first + self._per_case)
        ranked = ((stream_key(self._seed, "order", case, draw), case, draw) for case in self._digests for draw in draws)
        return tuple(SampleKey(case, draw) for _, case, draw in sorted(ranked))
