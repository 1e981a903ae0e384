"""The order of an epoch: whatever the cases' order, and with kinds spread evenly where there are several."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wardround.engine.sampling.order import EpochOrder


def _kinds(rare: int, common: int) -> dict[str, str]:
    return {f"{number:064x}": "1" if number < rare else "0" for number in range(rare + common)}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(0, 60), st.integers(1, 3), st.integers(0, 99))
def test_every_batch_has_its_share_of_each_kind(rare: int, common: int, per_case: int, seed: int) -> None:
    kinds = _kinds(rare, common)
    order = EpochOrder(seed, [[*kinds]], per_case, kinds)
    samples = order.epoch(seed % 4)
    assert Counter(sample.case for sample in samples) == dict.fromkeys(kinds, per_case)
    flags = np.array([kinds[sample.case] == "1" for sample in samples])
    share = rare / len(kinds)
    for size in (4, 16):
        for first in range(len(flags) - size + 1):
            assert abs(flags[first : first + size].sum() - share * size) < 2


def test_one_kind_is_in_the_order_of_keys_alone() -> None:
    kinds = _kinds(0, 30)
    found = EpochOrder(3, [[*kinds]], 2, kinds).epoch(5)
    other = EpochOrder(3, [[*kinds]], 2).epoch(5)
    assert found == other
    assert found == EpochOrder(3, [[*kinds][::-1]], 2, kinds).epoch(5)
    assert found != EpochOrder(3, [[*kinds]], 2, kinds).epoch(6)


def test_spread_epochs_differ_and_need_no_history() -> None:
    kinds = _kinds(6, 24)
    one, other = EpochOrder(3, [[*kinds]], 1, kinds), EpochOrder(3, [[*kinds][::-1]], 1, kinds)
    assert one.epoch(2) == other.epoch(2)
    assert one.epoch(3) != one.epoch(2)
    assert one.sample(30 * 3 + 4) == one.epoch(3)[4]
