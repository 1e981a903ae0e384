"""Metrics and their summaries. Imports no torch."""

from wardround.engine.metrics.build import (
    ClassificationMetric,
    Metric,
    SegmentationMetric,
    VectorMetric,
    build_metrics,
    case_scores,
    cohort_scores,
    comparison_scores,
    image_scores,
    mask_scores,
)
from wardround.engine.metrics.scores import CaseScores, Evaluation, Interval, Summary, merge
from wardround.engine.metrics.summaries import summarise

__all__ = [
    "CaseScores",
    "ClassificationMetric",
    "Evaluation",
    "Interval",
    "Metric",
    "SegmentationMetric",
    "Summary",
    "VectorMetric",
    "build_metrics",
    "case_scores",
    "cohort_scores",
    "comparison_scores",
    "image_scores",
    "mask_scores",
    "merge",
    "summarise",
]
