"""Metrics of numbers against scikit-learn and scipy, and where they are not defined."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from tests.support.studies import REGRESSION, changed, study_of
from wardround.engine.metrics.numbers import (
    AbsoluteBiasMetric,
    CosineMetric,
    LimitsOfAgreementMetric,
    MAEMetric,
    MedianErrorMetric,
    MSEMetric,
    PearsonMetric,
    R2Metric,
    RMSEMetric,
    SpearmanMetric,
)
from wardround.engine.parts.metrics import MAE, R2, MeanSquaredError, Pearson
from wardround.engine.parts.metrics.numbers import (
    RMSE,
    AbsoluteBias,
    Cosine,
    LimitsOfAgreement,
    MedianError,
    Spearman,
)
from wardround.federation.declared import Declared, Subsets
from wardround.federation.protocol import MetricValue

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.normal(50, 12, (40, 2))
FOUND = (TRUTH + RANDOM.normal(1, 6, TRUTH.shape)).astype(np.float32)


def test_errors_are_scikit_learns_and_the_mean_of_their_cases() -> None:
    for metric, theirs in (
        (MAEMetric(MAE()), reference.mean_absolute_error),
        (MSEMetric(MeanSquaredError()), reference.mean_squared_error),
    ):
        found = metric.summarise(FOUND, TRUTH, ("age", "weight"))
        expected = theirs(TRUTH, FOUND, multioutput="raw_values")
        assert found[f"{metric.name}.age"].value == pytest.approx(expected[0])
        assert found[f"{metric.name}.weight"].value == pytest.approx(expected[1])
        cases = [metric.case_scores(one, other)[metric.name] for one, other in zip(FOUND, TRUTH, strict=True)]
        assert found[metric.name].value == pytest.approx(np.mean(cases))
        assert found[metric.name].count == 40


def test_correlation_and_explained_variance_are_scipys_and_scikit_learns() -> None:
    one, other = FOUND[:, :1], TRUTH[:, :1]
    pearson = PearsonMetric(Pearson()).summarise(one, other, ("age",))
    r2 = R2Metric(R2()).summarise(one, other, ("age",))
    assert {*pearson, *r2} == {"pearson", "r2"}
    assert pearson["pearson"].value == pytest.approx(stats.pearsonr(one[:, 0], other[:, 0])[0])
    assert r2["r2"].value == pytest.approx(reference.r2_score(other, one))


def test_more_scores_of_numbers_are_scipys_and_scikit_learns() -> None:
    names = ("age", "weight")
    differences = FOUND.astype(np.float64) - TRUTH
    for metric, expected in (
        (RMSEMetric(RMSE()), reference.root_mean_squared_error(TRUTH, FOUND, multioutput="raw_values")),
        (MedianErrorMetric(MedianError()), reference.median_absolute_error(TRUTH, FOUND, multioutput="raw_values")),
        (SpearmanMetric(Spearman()), [stats.spearmanr(FOUND[:, k], TRUTH[:, k])[0] for k in (0, 1)]),
        (CosineMetric(Cosine()), np.diag(reference.pairwise.cosine_similarity(FOUND.T, TRUTH.T))),
        (AbsoluteBiasMetric(AbsoluteBias()), np.abs(differences.mean(0))),
        (LimitsOfAgreementMetric(LimitsOfAgreement()), 1.96 * differences.std(0, ddof=1)),
    ):
        found = metric.summarise(FOUND, TRUTH, names)
        each = [found[f"{metric.name}.{name}"].value for name in names]
        assert each == pytest.approx(list(expected)), metric.name
        assert found[metric.name].value == pytest.approx(np.mean(expected))
        assert found[metric.name].count == 40
        assert metric.summarise(FOUND[:0], TRUTH[:0], names) == {}


def test_ranks_are_shared_among_equals_and_zeros_have_no_direction() -> None:
    one, other = np.array([[1.0], [2.0], [2.0], [5.0]]), np.array([[1.0], [1.0], [3.0], [9.0]])
    expected = stats.spearmanr(one[:, 0], other[:, 0])[0]
    assert SpearmanMetric(Spearman()).summarise(one, other, ("a",))["spearman"].value == pytest.approx(expected)
    assert CosineMetric(Cosine()).summarise(one, 0 * one, ("a",)) == {}
    assert SpearmanMetric(Spearman()).summarise(one, 0 * one, ("a",)) == {}
    assert LimitsOfAgreementMetric(LimitsOfAgreement()).summarise(one[:1], one[:1], ("a",)) == {}
    assert RMSEMetric(RMSE()).case_scores(one[0], other[0]) == {"rmse": 0.0}
    assert RMSEMetric(RMSE()).case_scores(one[1], other[1]) == {"rmse": 1.0}
    assert RMSEMetric(RMSE()).case_scores(np.array([3.0, 0.0]), np.array([0.0, 1.0])) == {"rmse": 2.0}


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e9])
def test_perfect_predictions_have_the_best_values(scale: float) -> None:
    truth = TRUTH * scale
    assert MAEMetric(MAE()).summarise(truth, truth, ("a", "b"))["mae"].value == 0
    assert PearsonMetric(Pearson()).summarise(truth, truth, ("a", "b"))["pearson"].value == pytest.approx(1)
    assert PearsonMetric(Pearson()).summarise(-truth, truth, ("a", "b"))["pearson"].value == pytest.approx(-1)
    assert R2Metric(R2()).summarise(truth, truth, ("a", "b"))["r2"].value == 1


def test_what_is_not_defined_is_left_out() -> None:
    flat = np.full((5, 1), 3.0)
    rising = np.arange(5.0)[:, None]
    assert PearsonMetric(Pearson()).summarise(flat, rising, ("a",)) == {}
    assert PearsonMetric(Pearson()).summarise(rising, flat, ("a",)) == {}
    assert R2Metric(R2()).summarise(rising, flat, ("a",)) == {}
    assert R2Metric(R2()).summarise(rising, flat + rising * 1e-10, ("a",)) == {}, "of rounding alone"
    assert R2Metric(R2()).summarise(rising, rising * 1e-200, ("a",)) == {}, "beyond what a score may be"
    assert R2Metric(R2()).summarise(rising[:1], rising[:1], ("a",)) == {}
    assert MAEMetric(MAE()).summarise(rising[:0], rising[:0], ("a",)) == {}
    assert PearsonMetric(Pearson()).case_scores(rising[0], rising[0]) == {}


@given(
    st.lists(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=12),
    st.sampled_from([1e-220, 1e-200, 1e-12, 1.0, 1e8]),
    st.sampled_from([0.0, 1.0, 1e4, 1e8]),
)
def test_explained_variance_is_that_of_exact_fractions_and_may_leave_a_hospital(
    pairs: list[tuple[int, int]], unit: float, offset: float
) -> None:
    predicted, known = (np.array(column)[:, None] / 1000 * unit + offset * unit for column in zip(*pairs, strict=True))
    found = R2Metric(R2()).summarise(predicted, known, ("age",)).get("r2")
    truths = [Fraction(float(value)) for value in known[:, 0]]
    widest, largest = float(max(truths) - min(truths)), float(max(map(abs, truths)))
    assume(abs(widest - 1e-9 * largest) > 1e-12 * largest or largest == 0)
    if widest <= 1e-9 * largest:
        assert found is None
        return
    mean = sum(truths) / len(truths)
    errors = sum((Fraction(float(one)) - other) ** 2 for one, other in zip(predicted[:, 0], truths, strict=True))
    expected = float(1 - errors / sum((each - mean) ** 2 for each in truths))
    assert expected < -1e17 if found is None else found.value == pytest.approx(expected, rel=1e-6, abs=1e-6)
    study = study_of(changed(REGRESSION, validation={"metrics": ["mae", "r2"], "select": "mae"}))
    if found is not None:
        scores = {"r2": MetricValue(value=found.value, count=found.count)}
        Declared.of(study).check_scores(scores, Subsets(validation=len(pairs)))


def test_errors_have_intervals_about_their_means() -> None:
    for metric in (MAEMetric(MAE()), MSEMetric(MeanSquaredError()), RMSEMetric(RMSE())):
        several, one = metric.summarise(FOUND, TRUTH, ("a", "b")), metric.summarise(FOUND[:, :1], TRUTH[:, :1], ("a",))
        assert several[f"{metric.name}.a"].interval == one[metric.name].interval
        assert (several[metric.name].interval is None) == (metric.name == "rmse")
        for summary in [*several.values(), *one.values()]:
            assert summary.interval is None or summary.interval.low < summary.value < summary.interval.high
    (rmse, mse) = (metric.summarise(FOUND[:, :1], TRUTH[:, :1], ("a",))[metric.name].interval
                   for metric in (RMSEMetric(RMSE()), MSEMetric(MeanSquaredError())))  # fmt: skip
    assert rmse is not None
    assert mse is not None
    assert (rmse.low**2, rmse.high**2) == pytest.approx((mse.low, mse.high))
