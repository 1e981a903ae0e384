"""Which cases and patches a preview shows: of every class, site and size, and the same ones every time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from wardround.engine.basics.randomness import stream_key
from wardround.engine.cohort import Case
from wardround.engine.imaging.image import Geometry
from wardround.engine.sampling import PatchSource, SampleKey
from wardround.engine.store.case import StoredCase

_ENOUGH_CASES = 12
_DRAWS = 6
"""Draws of a case that are looked at for each one that is shown."""
Feature = tuple[str, str]
Shown = TypeVar("Shown", Feature, int)


def choose_cases(
    cases: Sequence[Case], grids: Mapping[str, Geometry], sites: Mapping[str, str], seed: int, most: int
) -> tuple[Case, ...]:
    """Few cases that stand for all: of each class of the table, each site, and of small, middling and large images.

    Whoever adds what has been shown least comes next; between equals a number from the seed and the subject decides,
    not the alphabet nor the order of the table. As many as there are things to show, a dozen at least, `most` at most.
    """
    sizes = _size_words(cases, grids)
    alike: dict[frozenset[Feature], deque[Case]] = defaultdict(deque)
    for case in sorted(cases, key=lambda case: _rank(case, seed)):
        alike[_features(case, sites, sizes)].append(case)
    wanted = min(most, len(cases), max(_ENOUGH_CASES, len(frozenset().union(*alike))))
    chosen: list[Case] = []
    seen: Counter[Feature] = Counter()
    while len(chosen) < wanted:
        best = min(alike, key=lambda features: (-_worth(features, seen), _rank(alike[features][0], seed)))
        chosen.append(alike[best].popleft())
        seen.update(best)
        if not alike[best]:
            del alike[best]
    return tuple(chosen)


def _rank(case: Case, seed: int) -> int:
    return stream_key(seed, "preview", case.subject)


def choose_draws(source: PatchSource, cases: Sequence[StoredCase], count: int) -> list[SampleKey]:
    """`count` samples, case after case; of a case's first draws those that show the classes shown least so far."""
    seen: Counter[int] = Counter()
    tries = _DRAWS * math.ceil(count / len(cases))
    left = {case.digest: list(range(tries)) for case in cases}
    chosen = []
    for number in range(count):
        case = cases[number % len(cases)]
        draws = left[case.digest]
        classes = {draw: source.classes(SampleKey(case.digest, draw)) for draw in draws[:_DRAWS]}
        best = min(classes, key=lambda draw: (-_worth(classes[draw], seen), draw))
        draws.remove(best)
        seen.update(classes[best])
        chosen.append(SampleKey(case.digest, best))
    return chosen


def _worth(shown: Iterable[Shown], seen: Counter[Shown]) -> float:
    """How much of what something shows has been shown little or not at all."""
    return sum(1.0 / (1 + seen[each]) ** 2 for each in sorted(shown))


def _features(case: Case, sites: Mapping[str, str], sizes: Mapping[str, str]) -> frozenset[Feature]:
    named = {"class": case.value or "", "site": sites.get(case.subject, ""), "size": sizes.get(case.subject, "")}
    return frozenset((kind, value) for kind, value in named.items() if value)


def _size_words(cases: Sequence[Case], grids: Mapping[str, Geometry]) -> dict[str, str]:
    """Each case's third by its number of voxels, the smallest and the largest for themselves."""
    voxels = {case.subject: math.prod(grids[case.subject].shape) for case in cases if case.subject in grids}
    known = sorted(set(voxels.values()))
    if len(known) < 2:
        return {}
    low, high = np.quantile(known, (1 / 3, 2 / 3))
    ends = {known[0]: "smallest", known[-1]: "largest"}
    return {
        subject: ends.get(count, "small" if count <= low else "large" if count > high else "middling")
        for subject, count in voxels.items()
    }
