"""How predicted numbers agree with the true ones: each against the other, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wardround.engine.report.colours import INK, SOFT, Series
from wardround.engine.report.figures import blank, finish, in_both
from wardround.engine.report.page import Chart, Charts, Page, number
from wardround.engine.study import Study
from wardround.engine.targets import Told, row_target_of

Pair = tuple[np.ndarray, Told]
"""A prediction, and what the table tells of the same case."""
_LIMITS = 1.96
"""Standard deviations between which 95 % of normally distributed differences lie."""


def add_agreement(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """For each number two charts: predicted against true with the line of identity, and differences against means with
    their mean and 95 % limits of agreement (Bland & Altman 1986)."""
    target = row_target_of(study)
    known = [(vector, told) for vector, told in pairs if told != Told()]
    if not known:
        return
    predicted = np.array([vector for vector, _ in known], dtype=np.float64)
    true = np.array([target.truth(study, told) for _, told in known], dtype=np.float64)
    for place, name in enumerate(study.outputs):
        one, other = predicted[:, place], true[:, place]
        caption = (
            f"{name}: every case. Left: predicted against true, equal on the line. Right: predicted minus true "
            "against the mean of both, with the mean difference and its limits of agreement (mean ± 1.96 SD)."
        )
        page.figure(Charts((_against(name, one, other), _differences(name, one, other))), caption)


def _against(name: str, predicted: np.ndarray, true: np.ndarray) -> Chart:
    figure = blank(4.0)
    axes = figure.subplots()
    ends = [float(min(predicted.min(), true.min())), float(max(predicted.max(), true.max()))]
    axes.plot(ends, ends, color=SOFT["light"], linewidth=1.2)
    _points(axes, true, predicted)
    axes.set_ylabel("predicted", color=INK["light"])
    finish(axes, name, "true", INK["light"], SOFT["light"])
    return in_both(figure, f"{name}: predicted {_range(predicted)} against true {_range(true)}, {len(true)} cases")


def _differences(name: str, predicted: np.ndarray, true: np.ndarray) -> Chart:
    figure = blank(4.0)
    axes = figure.subplots()
    differences = predicted - true
    mean, spread = float(differences.mean()), float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    lines = (mean, mean - _LIMITS * spread, mean + _LIMITS * spread)
    for value, dashes in zip(lines, ("solid", "dashed", "dashed"), strict=True):
        axes.axhline(value, color=SOFT["light"], linewidth=1.2, linestyle=dashes)
    _points(axes, (predicted + true) / 2, differences)
    axes.set_ylabel("predicted - true", color=INK["light"])
    finish(axes, f"{name}: difference", "mean of both", INK["light"], SOFT["light"])
    told = f"mean {number(mean)}, limits of agreement {number(lines[1])} to {number(lines[2])}"
    return in_both(figure, f"{name}: predicted minus true, {told}")


def _points(axes: Any, across: np.ndarray, up: np.ndarray) -> None:
    axes.plot(across, up, "o", markersize=4, alpha=0.6, color=Series(0).colour("light"))


def _range(values: np.ndarray) -> str:
    return f"{number(float(values.min()))} to {number(float(values.max()))}"
