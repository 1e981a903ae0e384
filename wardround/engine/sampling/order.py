"""The order in which an epoch visits its samples: a function of the seed and the cases' content alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from wardround.engine.basics.randomness import stream, stream_key
from wardround.engine.sampling.batch import SampleKey
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


class EpochOrder:
    """Every epoch holds `per_case` samples of each case, sorted by a pseudo-random key per seed, epoch, case and draw.

    So it is the same whatever the order of the cases, and an epoch needs nothing of the one before. Where cases are
    balanced, each group of them gives as many samples to an epoch as the largest one. Where they are of several kinds,
    the samples of each kind, sorted so, are spread evenly over the epoch.
    """

    def __init__(
        self,
        seed: int,
        groups: Iterable[Iterable[str]],
        per_case: int,
        kinds: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`kinds` has the kind of each case by its digest; without any all are of one."""
        self._seed, self._kinds = seed, kinds
        self._groups = tuple(tuple(sorted(group)) for group in groups)
        self._samples = per_case * max(map(len, self._groups))
        self._recent: tuple[int, tuple[SampleKey, ...]] | None = None

    def __len__(self) -> int:
        return len(self._groups) * self._samples

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
        keys = [key for group in self._groups for key in self._drawn(group, epoch)]
        ranked = sorted(keys, key=lambda key: (stream_key(self._seed, "order", key.case, key.draw), key.case))
        return tuple(ranked) if len({*self._kinds.values()}) < 2 else self._spread(epoch, ranked)

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

    def _drawn(self, group: Sequence[str], epoch: int) -> Iterator[SampleKey]:
        """The samples of a group in an epoch. Where they cannot be shared out evenly, other cases give one more in
        other epochs; no draw comes twice."""
        most = math.ceil(self._samples / len(group))
        first, fewer = epoch * most, most * len(group) - self._samples
        by_turns = sorted(group, key=lambda case: stream_key(self._seed, "turn", case, epoch)) if fewer else group
        for place, case in enumerate(by_turns):
            count = most - 1 if place < fewer else most
            yield from (SampleKey(case, draw) for draw in range(first, first + count))


def samples_per_epoch(study: Study, categories: Iterable[int | None]) -> int:
    """How many samples an epoch has of cases with these classes, which count only where the study balances them."""
    counts = Counter(categories)
    if not study.patches.balance:
        return counts.total() * study.patches.per_case
    return len(counts) * max(counts.values(), default=0) * study.patches.per_case


def groups_of(study: Study, cases: Iterable[StoredCase]) -> tuple[tuple[str, ...], ...]:
    """The digests of cases that share an epoch: all of them, or those of each class where the study balances them."""
    found: dict[int | None, list[str]] = {}
    for case in cases:
        found.setdefault(case.target if study.patches.balance else None, []).append(case.digest)
    return tuple(tuple(dict.fromkeys(digests)) for digests in found.values())
