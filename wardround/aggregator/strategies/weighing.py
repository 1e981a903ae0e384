"""What each site's update weighs, as whole numbers, so that a mean by cases stays what it was to the last bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from wardround.federation.protocol import Weights

_STEPS = 1000


def weigh(cases: Sequence[int], rule: Weights) -> tuple[int, ...]:
    """The weights of sites with so many training cases, in their order.

    With a cap, the heaviest sites are cut to the cap until none is above it; the others keep their proportions.
    """
    counts = tuple(cases) if rule.by == "cases" else (1,) * len(cases)
    if rule.cap is None:
        return counts
    cap = Fraction(math.floor(Fraction(str(rule.cap)) * _STEPS), _STEPS)
    if cap * len(counts) <= 1:
        return (1,) * len(counts)
    return _capped(counts, cap)


def _capped(counts: tuple[int, ...], cap: Fraction) -> tuple[int, ...]:
    """The `k` largest are cut. Their common weight `w` is the cap's part of all: `w = cap * (k * w + rest)`."""
    largest = sorted(counts, reverse=True)
    k, rest = 0, sum(largest)
    while largest[k] > cap * rest / (1 - k * cap):
        rest -= largest[k]
        k += 1
    if not k:
        return counts
    cut, scale = cap.numerator * rest, cap.denominator - k * cap.numerator
    found = [min(count * scale, cut) for count in counts]
    divisor = math.gcd(*found)
    return tuple(weight // divisor for weight in found)
