"""Accuracy and the area under the ROC curve against counting."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardround.engine.metrics.classification import AccuracyMetric, AUCMetric
from wardround.engine.parts.metrics import AUC, Accuracy

BINARY = ("healthy", "ill")
THREE = ("a", "b", "c")


def concordance(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive case scores above a negative one; ties count half (Mann & Whitney 1947)."""
    pairs = list(itertools.product(scores[positive], scores[~positive]))
    return sum(1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs) / len(pairs)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10), st.booleans()), min_size=2, max_size=30))
def test_auc_is_the_probability_of_concordance(cases: list[tuple[int, bool]]) -> None:
    ill = np.array([score / 10 for score, _ in cases])
    targets = np.array([int(target) for _, target in cases])
    summary = AUCMetric(AUC()).summarise(np.stack([1 - ill, ill], 1), targets, BINARY)
    if len(set(targets.tolist())) < 2:
        assert summary == {}
    else:
        assert set(summary) == {"auc"}
        assert summary["auc"].value == pytest.approx(concordance(ill, targets == 1))
        assert summary["auc"].count == len(cases)


def test_auc_of_three_classes_is_the_mean_of_one_against_the_rest() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    probabilities, targets = rng.dirichlet([1, 1, 1], 40), rng.integers(0, 3, 40)
    summary = AUCMetric(AUC()).summarise(probabilities, targets, THREE)
    assert summary["auc"].value == pytest.approx(roc_auc_score(targets, probabilities, multi_class="ovr"))
    assert summary["auc.b"].value == pytest.approx(concordance(probabilities[:, 1], targets == 1))


def test_auc_leaves_out_classes_that_no_case_has() -> None:
    probabilities = np.random.default_rng(0).dirichlet([1, 1, 1], 20)
    summary = AUCMetric(AUC()).summarise(probabilities, np.arange(20) % 2, THREE)
    assert set(summary) == {"auc", "auc.a", "auc.b"}


def test_accuracy_counts_the_most_probable_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.5, 0.5], [0.2, 0.8]])
    targets = np.array([0, 0, 0, 1])
    metric = AccuracyMetric(Accuracy())
    summary = metric.summarise(probabilities, targets, BINARY)
    assert (summary["accuracy"].value, summary["accuracy"].count) == (0.75, 4)
    each = [metric.case_scores(row, target)["accuracy"] for row, target in zip(probabilities, targets, strict=True)]
    assert each == [1.0, 0.0, 1.0, 1.0]


def test_nothing_is_said_of_no_cases() -> None:
    none = np.zeros((0, 2)), np.zeros(0, np.int64)
    assert AccuracyMetric(Accuracy()).summarise(*none, BINARY) == {}
    assert AUCMetric(AUC()).summarise(*none, BINARY) == {}
    assert AUCMetric(AUC()).case_scores(np.array([0.5, 0.5]), 1) == {}
