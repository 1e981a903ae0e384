"""What a metric is, and from a study to its metrics. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from wardround.engine.metrics.types import Summary
from wardround.engine.parts import Kind
from wardround.engine.study import Study


class SegmentationMetric(Protocol):
    """Scores one case's label map."""

    name: str

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        """One score per class, as `dice.anterior`, and their mean, as `dice`.

        Args:
            prediction: class indices into `class_names`, of the shape of `truth`.
            truth: class indices; 0 is the background and is not scored.
            spacing: mm per axis.
            class_names: names by index, the background first.

        Undefined classes are left out, and so is the mean if no class is defined.
        """
        ...


class ClassificationMetric(Protocol):
    """Scores a cohort's class probabilities."""

    name: str

    def case_scores(self, probabilities: np.ndarray, target: int) -> dict[str, float]:
        """Scores of one case with probabilities (classes,); empty if the metric is not defined for a single case."""
        ...

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """Scores of a cohort with probabilities (cases, classes); empty where undefined."""
        ...


Metric: TypeAlias = SegmentationMetric | ClassificationMetric


def build_metrics(study: Study) -> tuple[Metric, ...]:
    """The metrics that the study names, in its order; all serve its task."""
    uses = study.validation.metrics
    return tuple(use.part(Kind.METRIC).load()(use.parameters) for use in uses)
