"""How well each label was found: sensitivity, specificity and F1 at the threshold, and the area under its curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wardround.engine.metrics.classification import area_under_curve
from wardround.engine.metrics.multilabel import LabelCounts
from wardround.engine.report.agreement import Pair
from wardround.engine.report.page import Page, number
from wardround.engine.report.words import UNDEFINED
from wardround.engine.study import Study
from wardround.engine.targets import Told, row_target_of
from wardround.engine.targets.labels import THRESHOLD

_COLUMNS = (
    *("label", "positive", "negative", "found", "missed", "false alarms"),
    *("sensitivity", "specificity", "F1", "AUC"),
)


def add_labels(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """A table with a row for each label, over the cases of which it is known."""
    target = row_target_of(study)
    known = [(vector, told) for vector, told in pairs if told != Told()]
    if not known:
        return
    found = np.array([vector for vector, _ in known], dtype=np.float64)
    truths = np.array([target.truth(study, told) for _, told in known], dtype=np.float64)
    rows = [_row(name, found[:, place], truths[:, place]) for place, name in enumerate(study.outputs)]
    caption = f"Each label over the cases of which it is known; it counts as found from a probability of {THRESHOLD:g}."
    page.table(_COLUMNS, rows, caption)


def _row(name: str, found: np.ndarray, truths: np.ndarray) -> list[str]:
    counts = LabelCounts.of(found, truths)
    whole = (
        counts.true_positive + counts.false_negative,
        counts.true_negative + counts.false_positive,
        counts.true_positive,
        counts.false_negative,
        counts.false_positive,
    )
    parts = (counts.sensitivity, counts.specificity, counts.f1, area_under_curve(found, truths))
    return [name, *map(str, whole), *(UNDEFINED if part is None else number(part) for part in parts)]
