"""The order in which an epoch visits its samples: a function of the seed and the cases' content alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wardround.engine.basics.randomness import stream, stream_key
from wardround.engine.sampling.batch import SampleKey


class EpochOrder:
    """Every epoch holds `per_case` samples of each case, sorted by a pseudo-random key per seed, epoch, case and draw.

    So it is the same whatever the order of the cases, and an epoch needs nothing of the one before. Where cases are of
    several kinds, those of each kind, sorted so, are spread evenly over the epoch.
    """

    def __init__(self, seed: int, kinds: Mapping[str, str], per_case: int) -> None:
        """`kinds` has the kind of each case by its digest."""
        self._seed, self._per_case, self._kinds = seed, per_case, kinds
        self._digests = tuple(sorted(kinds))
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
        samples = [SampleKey(case, draw) for _, case, draw in sorted(ranked)]
        return tuple(samples) if len({*self._kinds.values()}) < 2 else self._spread(epoch, samples)

    def _spread(self, epoch: int, samples: Sequence[SampleKey]) -> tuple[SampleKey, ...]:
        """The n-th of a kind's m samples comes at (n + u) / m of the epoch, with a u of the kind and the epoch."""
        by_kind: dict[str, list[SampleKey]] = {}
        for sample in samples:
            by_kind.setdefault(self._kinds[sample.case], []).append(sample)
        placed = [
            ((place + shift) / len(members), kind, sample)
            for kind, members in sorted(by_kind.items())
            for shift in [stream(self._seed, "spread", kind, epoch).random()]
            for place, sample in enumerate(members)
        ]
        return tuple(sample for *_, sample in sorted(placed, key=lambda each: each[:2]))
