"""Scores of labels against scikit-learn, with labels that are unknown."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from wardround.engine.metrics.classification import AccuracyMetric, AUCMetric
from wardround.engine.metrics.rates import F1Metric, SensitivityMetric, SpecificityMetric
from wardround.engine.parts import Parameters

NAMES = ("a", "b", "c")


def _made(unknown: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    vectors, truths = random.random((50, 3)), random.integers(0, 2, (50, 3)).astype(np.float32)
    truths[random.random((50, 3)) < unknown] = np.nan
    return vectors, truths


@pytest.mark.parametrize("unknown", [0.0, 0.4])
@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        (F1Metric(Parameters()), lambda truth, score: f1_score(truth, score >= 0.5)),
        (AccuracyMetric(Parameters()), lambda truth, score: accuracy_score(truth, score >= 0.5)),
        (AUCMetric(Parameters()), roc_auc_score),
    ],
    ids=["f1", "accuracy", "auc"],
)
def test_each_label_is_scored_over_its_known_cases(metric, reference, unknown: float) -> None:  # type: ignore[no-untyped-def]
    vectors, truths = _made(unknown)
    found = metric.summarise(vectors, truths, NAMES)
    for place, name in enumerate(NAMES):
        known = ~np.isnan(truths[:, place])
        one = found[f"{metric.name}.{name}"]
        assert one.value == pytest.approx(reference(truths[known, place], vectors[known, place]))
        assert one.count == known.sum() or metric.name == "f1"
    mean = np.mean([found[f"{metric.name}.{name}"].value for name in NAMES])
    assert found[metric.name].value == pytest.approx(mean)
    assert found[metric.name].count == 50


def test_what_is_unknown_changes_no_score() -> None:
    vectors, truths = _made(0.4)
    other = np.where(np.isnan(truths), 1 - vectors, vectors)
    for metric in (F1Metric(Parameters()), AccuracyMetric(Parameters()), AUCMetric(Parameters())):
        assert metric.summarise(vectors, truths, NAMES) == metric.summarise(other, truths, NAMES)


def test_a_label_without_positive_or_negative_cases_is_left_out() -> None:
    vectors, truths = _made(0.0)
    truths[:, 0], truths[:, 1] = 1.0, np.nan
    assert {*AUCMetric(Parameters()).summarise(vectors, truths, NAMES)} == {"auc", "auc.c"}
    vectors[:, 2], truths[:, 2] = 0.1, 0.0
    assert "f1.c" not in F1Metric(Parameters()).summarise(vectors, truths, NAMES)
    assert "sensitivity.c" not in SensitivityMetric(Parameters()).summarise(vectors, truths, NAMES)


def test_sensitivity_and_specificity_are_recalls() -> None:
    vectors, truths = _made(0.0)
    found = vectors[:, 0] >= 0.5
    one, other = (
        metric(Parameters()).summarise(vectors, truths, NAMES) for metric in (SensitivityMetric, SpecificityMetric)
    )
    assert one["sensitivity.a"].value == pytest.approx(recall_score(truths[:, 0], found))
    assert other["specificity.a"].value == pytest.approx(recall_score(1 - truths[:, 0], ~found))


def test_a_case_has_the_fraction_of_its_known_labels() -> None:
    metric, nan = AccuracyMetric(Parameters()), np.nan
    assert metric.case_scores(np.array([0.9, 0.9, 0.2]), np.array([1.0, 0.0, nan])) == {"accuracy": 0.5}
    assert metric.case_scores(np.array([0.9]), np.array([nan])) == {}
