"""The order in which an epoch visits its samples: a function of the seed and the cases' content alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from wardround.engine.basics.randomness import stream_key
from wardround.engine.sampling.batch import SampleKey
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


class EpochOrder:
    """Every epoch holds `per_case` samples of each case, sorted by a pseudo-random key per seed, epoch, case and draw.

    So it is the same whatever the order of the cases, and an epoch needs nothing of the one before. Where cases are
    balanced, each group of them gives as many samples to an epoch as the largest one.
    """

    def __init__(self, seed: int, groups: Iterable[Iterable[str]], per_case: int) -> None:
        self._seed = seed
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
        return tuple(sorted(keys, key=lambda key: (stream_key(self._seed, "order", key.case, key.draw), key.case)))

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
