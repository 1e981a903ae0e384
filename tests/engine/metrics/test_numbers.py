"""Metrics of numbers against scikit-learn and scipy, and where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from wardround.engine.metrics.numbers import MAEMetric, MSEMetric, PearsonMetric, R2Metric
from wardround.engine.parts.metrics import MAE, R2, MeanSquaredError, Pearson

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


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e9])
def test_perfect_predictions_have_the_best_values(scale: float) -> None:
    truth = TRUTH * scale
    assert MAEMetric(MAE()).summarise(truth, truth, ("a", "b"))["mae"].value == 0
    assert PearsonMetric(Pearson()).summarise(truth, truth, ("a", "b"))["pearson"].value == pytest.approx(1)
    assert PearsonMetric(Pearson()).summarise(-truth, truth, ("a", "b"))["pearson"].value == pytest.approx(-1)
    if scale >= 1:
        assert R2Metric(R2()).summarise(truth, truth, ("a", "b"))["r2"].value == 1


def test_what_is_not_defined_is_left_out() -> None:
    flat = np.full((5, 1), 3.0)
    rising = np.arange(5.0)[:, None]
    assert PearsonMetric(Pearson()).summarise(flat, rising, ("a",)) == {}
    assert PearsonMetric(Pearson()).summarise(rising, flat, ("a",)) == {}
    assert R2Metric(R2()).summarise(rising, flat, ("a",)) == {}
    assert R2Metric(R2()).summarise(rising[:1], rising[:1], ("a",)) == {}
    assert MAEMetric(MAE()).summarise(rising[:0], rising[:0], ("a",)) == {}
    assert PearsonMetric(Pearson()).case_scores(rising[0], rising[0]) == {}
