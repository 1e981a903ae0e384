"""How well each label was found: rates at the threshold, what other thresholds would give, and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wardround.engine.metrics.classification import AUCMetric
from wardround.engine.metrics.comparison import Overlap
from wardround.engine.metrics.rates import F1Metric, SensitivityMetric, SpecificityMetric
from wardround.engine.metrics.scores import Summary
from wardround.engine.metrics.vectors import CohortMetric, overlaps
from wardround.engine.parts import Parameters
from wardround.engine.report.agreement import Pair
from wardround.engine.report.calibration import add_calibration
from wardround.engine.report.operating_curves import add_operating_curves
from wardround.engine.report.page import Page, number
from wardround.engine.report.words import UNDEFINED
from wardround.engine.study import Study
from wardround.engine.targets import Told, row_target_of
from wardround.engine.targets.labels import THRESHOLD

_COLUMNS = (
    *("label", "positive", "negative", "found", "missed", "false alarms"),
    *("sensitivity", "specificity", "F1", "AUC"),
)
_METRICS: tuple[type[CohortMetric], ...] = (SensitivityMetric, SpecificityMetric, F1Metric, AUCMetric)


def add_labels(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """A table with a row for each label, ROC and precision over recall, and how far probabilities come true: over the
    cases of which the label is known."""
    target = row_target_of(study)
    known = [(vector, told) for vector, told in pairs if told != Told()]
    if not known:
        return
    found = np.array([vector for vector, _ in known], dtype=np.float64)
    truths = np.array([target.truth(study, told) for _, told in known], dtype=np.float64)
    counts = overlaps(found, truths, study.outputs)
    scores = [metric(Parameters()).summarise(found, truths, study.outputs) for metric in _METRICS]
    rows = [_row(name, overlap, scores) for name, overlap in counts.items()]
    caption = f"Each label over the cases of which it is known; it counts as found from a probability of {THRESHOLD:g}."
    page.table(_COLUMNS, rows, caption)
    add_operating_curves(page, study.outputs, found, truths)
    add_calibration(page, study, found, truths)


def _row(label: str, overlap: Overlap, scores: Sequence[Mapping[str, Summary]]) -> list[str]:
    counts = (overlap.expected, overlap.all - overlap.expected, overlap.both)
    wrong = (overlap.false_negatives, overlap.false_positives)
    named = (f"{metric.name}.{label}" for metric in _METRICS)
    told = [
        number(found[name].value) if name in found else UNDEFINED for name, found in zip(named, scores, strict=True)
    ]
    return [label, *map(str, (*counts, *wrong)), *told]
