"""Pauses before something is tried again."""

from __future__ import annotations

import random

import pytest

from wardround.engine.basics.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=5.0)
    assert [backoff.plain(failures) for failures in range(1, 7)] == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_another_growth() -> None:
    assert [Backoff(1.0, 100.0, growth=1.5).plain(failures) for failures in (1, 2, 3)] == [1.0, 1.5, 2.25]


def test_before_the_first_failure_the_pause_is_the_first() -> None:
    assert Backoff(0.5, 5.0).plain(0) == 0.5


def test_a_year_of_failures_is_no_overflow() -> None:
    assert Backoff(0.5, 5.0).plain(10**9) == 5.0
    assert Backoff(0.5, 5.0, growth=1000.0).plain(10**9) == 5.0


def test_a_first_pause_beyond_the_longest_stays() -> None:
    assert Backoff(20.0, 5.0).plain(7) == 20.0


@pytest.mark.parametrize("spread", [(0.75, 1.25), (1.0, 1.25), (1.0, 1.0)])
def test_pauses_vary_within_the_spread(spread: tuple[float, float]) -> None:
    backoff, draws = Backoff(2.0, 8.0, spread=spread), random.Random(1)
    found = [backoff.varied(2, draws) for _ in range(200)]
    low, high = spread
    assert all(4.0 * low <= pause <= 4.0 * high for pause in found)
    assert max(found) - min(found) >= 0.8 * 4.0 * (high - low)
    assert len(set(found)) > 1 or low == high
