"""What every threshold would give: sensitivity against false alarms, and precision against sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wardround.engine.metrics.class_rates import area, one_by_one
from wardround.engine.metrics.thresholds import Thresholds
from wardround.engine.report.colours import INK, SOFT, Series
from wardround.engine.report.figures import FONT, blank, finish, in_both
from wardround.engine.report.page import Chart, Charts, Key, Page, number

_MOST_LINES = 12
_MOST_POINTS = 400
"""Of a line: more are not seen, and make a page that a phone is slow with."""


@dataclass(frozen=True)
class _Curve:
    name: str
    auc: float
    probabilities: np.ndarray
    positive: np.ndarray
    series: Series


def add_operating_curves(page: Page, names: Sequence[str], vectors: np.ndarray, truths: np.ndarray) -> None:
    """A ROC curve and one of precision over recall for each class or label that some cases have and others lack; of two
    classes that of the second. Of very many classes those with the lowest areas are drawn.

    Args:
        names: of the classes or labels.
        vectors: (cases, classes) probabilities.
        truths: (cases,) indices, or (cases, labels) 0, 1 or NaN.
    """
    curves = _curves(names, vectors, truths)
    if not curves:
        page.text("ROC and precision curves need a class that some cases have and others lack: here is none.")
        return
    keys = tuple(Key(curve.name, curve.series) for curve in curves) if len(curves) > 1 else ()
    of = "each class against the others" if len(curves) > 1 else repr(curves[0].name)
    page.figure(
        Charts((_roc(curves), _precision(curves)), keys),
        f"Every threshold for {of}. Left: sensitivity against false alarms among the others (1 - specificity); a guess "
        "lies on the line. Right: precision against sensitivity; a guess is as precise as its cases are frequent.",
    )


def _curves(names: Sequence[str], vectors: np.ndarray, truths: np.ndarray) -> list[_Curve]:
    found = list(one_by_one(vectors, truths, names))
    if truths.ndim == 1 and len(names) == 2:
        found = found[1:]
    areas = [(name, area(some, known), some, known) for name, some, known in found]
    defined = [(name, each.value, some, known) for name, each, some, known in areas if each is not None]
    if len(defined) > _MOST_LINES:
        defined = sorted(defined, key=lambda one: one[1])[:_MOST_LINES]
    return [_Curve(*one, Series(place)) for place, one in enumerate(defined)]


def _roc(curves: Sequence[_Curve]) -> Chart:
    axes, figure = _square()
    axes.plot([0, 1], [0, 1], color=SOFT["light"], linewidth=1.2)
    for curve in curves:
        false_alarms, sensitivity = Thresholds.of(curve.probabilities, curve.positive).roc
        _line(axes, false_alarms, sensitivity, curve)
    axes.set_ylabel("sensitivity", color=INK["light"], fontsize=FONT)
    finish(axes, "ROC", "1 - specificity", INK["light"], SOFT["light"])
    return in_both(figure, f"ROC: {', '.join(f'{curve.name} AUC {number(curve.auc)}' for curve in curves)}")


def _precision(curves: Sequence[_Curve]) -> Chart:
    axes, figure = _square()
    for curve in curves:
        recall, precision = Thresholds.of(curve.probabilities, curve.positive).precision_recall
        _line(axes, recall, precision, curve, drawstyle="steps-post")
    axes.set_ylabel("precision", color=INK["light"], fontsize=FONT)
    finish(axes, "Precision", "sensitivity", INK["light"], SOFT["light"])
    told = (f"{curve.name} of {float(curve.positive.mean()):.0%} of the cases" for curve in curves)
    return in_both(figure, f"Precision against sensitivity: {', '.join(told)}")


def _square() -> tuple[Any, Any]:
    figure = blank(4.0)
    axes = figure.subplots()
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    return axes, figure


def _line(axes: Any, across: np.ndarray, up: np.ndarray, curve: _Curve, **how: str) -> None:
    kept = np.unique(np.linspace(0, len(across) - 1, min(len(across), _MOST_POINTS)).round().astype(int))
    dashes = tuple(float(length) for length in curve.series.dashes.split())
    axes.plot(
        across[kept],
        up[kept],
        color=curve.series.colour("light"),
        linestyle=(0, dashes) if dashes else "solid",
        linewidth=1.8,
        **how,
    )
