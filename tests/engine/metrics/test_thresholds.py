"""Curves over thresholds and the areas below them, point by point against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from wardround.engine.metrics.thresholds import Thresholds

CASES = st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30).filter(
    lambda cases: len({positive for _, positive in cases}) == 2
)


@given(CASES)
def test_every_point_and_area_is_that_of_scikit_learn(cases: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([score / 7 for score, _ in cases]), np.array([known for _, known in cases])
    found = Thresholds.of(scores, positive)
    assert found.area == pytest.approx(reference.roc_auc_score(positive, scores), abs=1e-12)
    assert found.average_precision == pytest.approx(reference.average_precision_score(positive, scores), abs=1e-12)
    alarms, sensitivity, _ = reference.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(found.roc, (alarms, sensitivity), atol=1e-12)
    precision, recall, _ = reference.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(found.precision_recall, (recall, precision), atol=1e-12)


def test_scores_of_single_precision_are_told_apart_as_they_are() -> None:
    scores = np.nextafter(np.float32(0.5), np.float32(1)) * np.array([1, 0], np.float32) + np.array(
        [0, 0.5], np.float32
    )
    assert Thresholds.of(scores, np.array([True, False])).area == 1.0
    assert Thresholds.of(scores, np.array([False, True])).area == 0.0
