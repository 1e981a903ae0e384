"""Harrell's index by counting pairs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardround.engine.metrics.survival import CIndexMetric, concordance
from wardround.engine.parts.metrics import CIndex

CASES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()), min_size=1, max_size=14)


def _by_pairs(cases: list[tuple[int, int, bool]]) -> float | None:
    scores = []
    for (risk, time, event), (other, later, seen) in itertools.permutations(cases, 2):
        if event and (time < later or (time == later and not seen)):
            scores.append(1.0 if risk > other else 0.5 if risk == other else 0.0)
    return sum(scores) / len(scores) if scores else None


@settings(max_examples=100, deadline=None)
@given(CASES)
def test_it_is_the_fraction_of_pairs_in_order(cases: list[tuple[int, int, bool]]) -> None:
    risks, times, events = (np.array(each) for each in zip(*cases, strict=True))
    found, expected = concordance(risks, times, events.astype(bool)), _by_pairs(cases)
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_order_alone_counts() -> None:
    random = np.random.default_rng(1)
    times, events = random.exponential(size=40), random.random(40) < 0.6
    truths = np.stack([times, events], axis=1)
    metric = CIndexMetric(CIndex())
    assert metric.summarise(-times[:, None], truths, ("risk",))["c_index"].value == 1.0
    assert metric.summarise(times[:, None], truths, ("risk",))["c_index"].value == 0.0
    assert metric.summarise(np.zeros((40, 1)), truths, ("risk",))["c_index"].value == 0.5
    assert metric.summarise(-times[:, None], truths * [1, 0], ("risk",)) == {}
    assert metric.case_scores(np.zeros(1), truths[0]) == {}
