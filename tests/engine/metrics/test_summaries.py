"""Means over classes, then over cases; undefined scores are left out and not counted."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.metrics import CaseScores, Summary, merge, summarise
from wardround.engine.metrics.summaries import named_scores


def test_a_metric_is_the_mean_over_classes_then_over_cases() -> None:
    first = CaseScores("a", named_scores("dice", {"x": 1.0, "y": 0.5}))
    second = CaseScores("b", named_scores("dice", {"x": 0.25}))
    third = CaseScores("c", named_scores("dice", {}))
    summary = summarise([first, second, third])
    assert summary["dice"] == Summary(0.5, 2)
    assert summary["dice.x"] == Summary(0.625, 2)
    assert summary["dice.y"] == Summary(0.5, 1)


def test_no_cases_have_no_summary() -> None:
    assert summarise([]) == {}


@given(st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=8), min_size=1, max_size=5))
def test_merged_hospitals_equal_the_pooled_cohort(hospitals: list[list[float]]) -> None:
    def summary(values: list[float]) -> Summary:
        return summarise([CaseScores(str(index), {"dice": value}) for index, value in enumerate(values)])["dice"]

    pooled = summary([value for values in hospitals for value in values])
    merged = merge([summary(values) for values in hospitals])
    assert merged.count == pooled.count
    assert merged.value == pytest.approx(pooled.value)


def test_metrics_load_no_torch() -> None:
    script = "import sys; import wardround.engine.metrics.segmentation, wardround.engine.metrics.classification as c; "
    subprocess.run([sys.executable, "-c", script + "assert 'torch' not in sys.modules"], check=True)
