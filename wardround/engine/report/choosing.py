"""Which cases and patches a preview shows: of every class, site and size, and the same ones every time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from wardround.engine.basics.randomness import stream_key
from wardround.engine.cohort import Case
from wardround.engine.imaging.types import Geometry
from wardround.engine.sampling import PatchSource, SampleKey
from wardround.engine.store.types import StoredCase

_ENOUGH_CASES = 12
_DRAWS = 6
"""Draws of a case that are looked at for each one that is shown."""
Feature = tuple[str, str]


def choose_cases(
    cases: Sequence[Case], grids: Mapping[str, Geometry], sites: Mapping[str, str], seed: int, most: int
) -> tuple[Case, ...]:
    """Few cases that stand for all: of each class of the table, each site, and of small, middling and large images.

    Whoever adds what has been shown least comes next; between equals a number from the seed and the subject decides,
    not the alphabet nor the order of the table. As many as there are things to show, a dozen at least, `most` at most.
    """
    sizes = _size_words(cases, grids)
    features = {case.subject: _features(case, sites, sizes) for case in cases}
    order = sorted(cases, key=lambda case: stream_key(seed, "preview", case.subject))
    wanted = min(most, max(_ENOUGH_CASES, len(set().union(*features.values()))))
    chosen: list[Case] = []
    seen: Counter[Feature] = Counter()
    while order and len(chosen) < wanted:
        best = min(order, key=lambda case: sum(-1.0 / (1 + seen[each]) ** 2 for each in features[case.subject]))
        order.remove(best)
        chosen.append(best)
        seen.update(features[best.subject])
    return tuple(chosen)


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


def _worth(classes: Iterable[int], seen: Counter[int]) -> float:
    return sum(1.0 / (1 + seen[index]) ** 2 for index in classes)


def _features(case: Case, sites: Mapping[str, str], sizes: Mapping[str, str]) -> set[Feature]:
    named = {"class": case.value or "", "site": sites.get(case.subject, ""), "size": sizes.get(case.subject, "")}
    return {(kind, value) for kind, value in named.items() if value}


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
