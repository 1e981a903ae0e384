"""What a metric is, and from a study to its metrics. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np

from wardround.engine.metrics.scores import Summary
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.study import Study
from wardround.engine.study.part_names import PartUse

if TYPE_CHECKING:
    from wardround.engine.metrics.comparison import Comparison


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


@runtime_checkable
class ComparesMasks(Protocol):
    """A `SegmentationMetric` that can take masks which are compared already: it shares work with the others, and knows
    regions that overlap."""

    def compare(self, comparison: Comparison) -> dict[str, float]:
        """What `SegmentationMetric.scores` gives."""
        ...


class VectorMetric(Protocol):
    """Scores a cohort's vectors: class probabilities beside indices of classes, or numbers beside numbers."""

    name: str

    def case_scores(self, vector: np.ndarray, truth: Any) -> dict[str, float]:
        """Scores of one case with a vector (outputs,); empty if the metric is not defined for a single case."""
        ...

    def summarise(self, vectors: np.ndarray, truths: np.ndarray, names: Sequence[str]) -> Mapping[str, Summary]:
        """Scores of a cohort with vectors (cases, outputs) and truths (cases, ...); empty where undefined. `names`
        are those of the outputs."""
        ...


class ClassificationMetric(Protocol):
    """Scores a cohort's class probabilities: a `VectorMetric` whose truths are indices of classes."""

    name: str

    def case_scores(self, probabilities: np.ndarray, target: int) -> dict[str, float]:
        """Scores of one case with probabilities (classes,); empty if the metric is not defined for a single case."""
        ...

    def summarise(
        self, probabilities: np.ndarray, targets: np.ndarray, class_names: Sequence[str]
    ) -> Mapping[str, Summary]:
        """Scores of a cohort with probabilities (cases, classes); empty where undefined."""
        ...


Metric: TypeAlias = SegmentationMetric | ClassificationMetric | VectorMetric


def build_metrics(study: Study) -> tuple[Metric, ...]:
    """The metrics that the study names, in its order; all serve its task."""
    return tuple(_built(use) for use in study.validation.metrics)


def _built(use: PartUse) -> Metric:
    part = use.part(Kind.METRIC)
    metric: Metric = part.make(use.parameters)
    with answering(part.owner):
        if metric.name != use.name:
            raise BreachError(f"the `name` {metric.name!r}", f"{use.name!r}, as the study names it")
    return metric


def mask_scores(
    study: Study, metrics: Sequence[Metric], prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> dict[str, float]:
    """All scores of one case's label map by the study's metrics. One that fails is told as its package's.

    Of regions that overlap each is scored by itself. Voxels that the study ignores do not count.
    """
    return comparison_scores(study, metrics, _comparison(study, prediction, truth, spacing))


def _comparison(study: Study, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]) -> Comparison:
    from wardround.engine.metrics.comparison import LabelComparison, RegionComparison  # it loads scipy

    valid = None if study.ignored_class is None else truth != study.ignored_class
    if study.overlaps is None:
        return LabelComparison(prediction, truth, spacing, study.class_names, valid)
    if valid is not None:
        truth = np.where(valid, truth, 0)
    tables = [table.astype(bool) for table in study.overlaps.tables().values()]
    found, expected = (np.stack([table[labels] for table in tables]) for labels in (prediction, truth))
    return RegionComparison(found, expected, spacing, study.overlaps.names, valid)


def comparison_scores(study: Study, metrics: Sequence[Metric], comparison: Comparison) -> dict[str, float]:
    """What several metrics need is found once, for those that take a comparison."""

    def score(metric: Metric) -> object:
        if isinstance(metric, ComparesMasks):
            return metric.compare(comparison)
        return comparison.scores_by(cast(SegmentationMetric, metric))

    return cast(dict[str, float], _scores(study, metrics, score, Real))


def image_scores(
    study: Study, metrics: Sequence[Metric], prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float]
) -> dict[str, float]:
    """All scores of one case's images (outputs, *grid), as `mask_scores`."""

    def score(metric: Metric) -> object:
        return cast(SegmentationMetric, metric).scores(prediction, truth, spacing, study.outputs)

    return cast(dict[str, float], _scores(study, metrics, score, Real))


def case_scores(study: Study, metrics: Sequence[Metric], vector: np.ndarray, truth: Any) -> dict[str, float]:
    """All scores of one case with a vector (outputs,), as `mask_scores`."""

    def score(metric: Metric) -> object:
        return cast(VectorMetric, metric).case_scores(vector, truth)

    return cast(dict[str, float], _scores(study, metrics, score, Real))


def cohort_scores(
    study: Study, metrics: Sequence[Metric], vectors: np.ndarray, truths: np.ndarray
) -> dict[str, Summary]:
    """All scores of a cohort with vectors (cases, outputs), as `mask_scores`."""

    def score(metric: Metric) -> object:
        return cast(VectorMetric, metric).summarise(vectors, truths, study.outputs)

    return cast(dict[str, Summary], _scores(study, metrics, score, Summary))


def _scores(
    study: Study, metrics: Sequence[Metric], score: Callable[[Metric], object], kind: type
) -> dict[str, object]:
    scores: dict[str, object] = {}
    for use, metric in zip(study.validation.metrics, metrics, strict=True):
        with answering(use.part(Kind.METRIC).owner):
            scores |= _named(use.name, score(metric), kind)
    return scores


def _named(name: str, found: object, kind: type) -> Mapping[str, object]:
    expected = f"{'numbers' if kind is Real else 'Summary'} by name: `{name}`, `{name}.<class>`"
    if not isinstance(found, Mapping):
        raise BreachError(f"a {type(found).__name__}", expected)
    for key, value in found.items():
        if not isinstance(key, str) or key.partition(".")[0] != name:
            raise BreachError(f"the name {key!r}", expected)
        if not isinstance(value, kind):
            raise BreachError(f"a {type(value).__name__} for {key!r}", expected)
    return found
