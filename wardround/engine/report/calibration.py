"""Whether probabilities come true as often as they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from wardround.engine.metrics.calibration import Reliability
from wardround.engine.metrics.class_rates import one_by_one
from wardround.engine.metrics.intervals import of_proportion
from wardround.engine.parts.metrics.classification import ECE
from wardround.engine.report.colours import INK, SOFT, Series
from wardround.engine.report.figures import FONT, blank, finish, in_both
from wardround.engine.report.page import Chart, Charts, Page, number
from wardround.engine.study import Study

_MOST_LABELS = 8


def add_calibration(page: Page, study: Study, vectors: np.ndarray, truths: np.ndarray) -> None:
    """How often the most probable class is the true one, by its probability; of labels how often each is true.

    Args:
        page: what it is added to.
        study: whose metric `ece` says how many bins there are, if it has it.
        vectors: (cases, classes) probabilities.
        truths: (cases,) indices, or (cases, labels) 0, 1 or NaN.
    """
    bins = next((cast(ECE, use.parameters).bins for use in study.validation.metrics if use.name == "ece"), ECE().bins)
    charts = tuple(
        _chart(name, Reliability.of(probabilities, right, bins))
        for name, probabilities, right in _claims(study, vectors, truths)
    )
    page.figure(
        Charts(charts),
        f"Cases by their probability, in {bins} bins of equal width: how often it came true against what it said, with "
        "95 % confidence intervals. Dots below the line claim too much. ECE is the mean distance from the line, over "
        "the cases.",
    )


def _claims(study: Study, vectors: np.ndarray, truths: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What each chart is of: its title, probabilities, and whether they came true."""
    if truths.ndim == 1:
        yield "the most probable class", vectors.max(axis=1), vectors.argmax(axis=1) == truths
    else:
        yield from list(one_by_one(vectors, truths, study.outputs))[:_MOST_LABELS]


def _chart(name: str, found: Reliability) -> Chart:
    figure = blank(4.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=SOFT["light"], linewidth=1.2)
    filled = found.cases > 0
    said, came = found.probability[filled] / found.cases[filled], found.right[filled] / found.cases[filled]
    for across, right, cases in zip(said, found.right[filled], found.cases[filled], strict=True):
        interval = of_proportion(int(right), int(cases))
        if interval is not None:
            axes.plot([across, across], [interval.low, interval.high], color=SOFT["light"], linewidth=1.2)
    axes.plot(said, came, "o", markersize=6, color=Series(0).colour("light"))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("came true", color=INK["light"], fontsize=FONT)
    finish(axes, f"Calibration: {name}", "probability", INK["light"], SOFT["light"])
    return in_both(figure, f"Calibration of {name}: ECE {number(found.error)} over {int(found.cases.sum())} cases")
