"""Confidence intervals against published values, scipy, and how often they hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from wardround.engine.metrics import CaseScores, merge, summarise
from wardround.engine.metrics.intervals import Interval, of_area, of_folds, of_mean, of_proportion


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (7, 10), (10, 10), (81, 263), (15, 148)])
def test_proportions_have_wilsons_interval(successes: int, trials: int) -> None:
    theirs = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    found = of_proportion(successes, trials)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_newcombes_example() -> None:
    """Newcombe 1998, table I: 81 of 263, method 3."""
    found = of_proportion(81, 263)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_means_have_scipys_bootstrap_and_ones_and_zeros_are_a_proportion() -> None:
    values = np.random.default_rng(0).beta(8, 2, 40)
    found = of_mean(values.tolist())
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    assert of_mean([1.0, 0.0, 1.0]) == of_proportion(2, 3)
    assert of_mean([0.3]) is None
    assert of_mean([0.3, 0.3]) == Interval(pytest.approx(0.3), pytest.approx(0.3))
    assert of_proportion(0, 0) is None


def test_folds_have_students_interval_and_a_wider_one_where_they_learn_from_the_same_cases() -> None:
    values = [0.81, 0.84, 0.78, 0.86, 0.80]
    alone, shared = of_folds(values, 0, 80), of_folds(values, 20, 80)
    assert alone is not None
    assert shared is not None
    assert (alone.low, alone.high) == pytest.approx(stats.ttest_1samp(values, 0).confidence_interval(0.95))
    # By hand: s = 0.0319374, t = 2.776445, sqrt(1/5 + 1/4) = 0.6708204.
    assert (shared.low, shared.high) == pytest.approx((0.818 - 0.0594829, 0.818 + 0.0594829), abs=2e-6)
    assert of_folds([0.8], 20, 80) is None


def test_an_interval_is_the_same_at_every_call_in_any_order() -> None:
    values = np.random.default_rng(1).random(30).tolist()
    assert of_mean(values) == of_mean(values[::-1])
    assert of_mean(values) != of_mean([*values[1:], 0.123])


def test_many_cases_have_the_interval_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).random(4000)
    found, error = of_mean(values.tolist()), stats.sem(values)
    assert found == Interval(
        pytest.approx(values.mean() - 1.959964 * error), pytest.approx(values.mean() + 1.959964 * error)
    )


def test_intervals_hold_the_mean_of_all_cases_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(200):
        found = of_mean(random.beta(6, 2, 40).tolist())
        assert found is not None
        held += found.low <= 0.75 <= found.high
    assert 178 <= held <= 200


def test_areas_have_delongs_interval() -> None:
    """The standard error by its definition, over all pairs."""
    random = np.random.default_rng(0)
    positive = random.random(40) < 0.4
    scores = np.round(random.random(40) + 0.5 * positive, 1)
    above, below = scores[positive], scores[~positive]
    wins = (above[:, None] > below) + 0.5 * (above[:, None] == below)
    error = np.sqrt(wins.mean(1).var(ddof=1) / len(above) + wins.mean(0).var(ddof=1) / len(below))
    found = of_area(scores, positive)
    assert found is not None
    assert found.low == pytest.approx(wins.mean() - 1.959964 * error)
    assert found.high == pytest.approx(min(1.0, wins.mean() + 1.959964 * error))
    assert of_area(scores[:3], np.array([True, False, False])) is None


def test_a_summary_has_one_and_loses_it_with_others() -> None:
    cases = [CaseScores(str(place), {"dice": value}) for place, value in enumerate((0.5, 0.7, 0.9))]
    summary = summarise(cases)["dice"]
    assert summary.interval == of_mean([0.5, 0.7, 0.9])
    assert merge([summary, summary]).interval is None
