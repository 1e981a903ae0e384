"""How long cases of high and of low predicted risk stayed without the event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wardround.engine.report.agreement import Pair
from wardround.engine.report.colours import INK, SOFT, Series
from wardround.engine.report.figures import blank, finish, in_both
from wardround.engine.report.page import Chart, Charts, Page
from wardround.engine.study import Study
from wardround.engine.targets import Told, row_target_of

_FEWEST = 4
_HALVES = ("lower risk", "higher risk")


def add_survival(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """Curves of the halves with the lower and the higher predicted risk (Kaplan & Meier 1958)."""
    target = row_target_of(study)
    known = [(float(vector[0]), target.truth(study, told)) for vector, told in pairs if told != Told()]
    if len(known) < _FEWEST:
        return
    order = np.argsort([risk for risk, _ in known], kind="stable")
    truths = np.array([truth for _, truth in known], dtype=np.float64)[order]
    middle = len(truths) // 2
    caption = (
        "Every case, by halves: how many of those with the lower and the higher predicted risk were without the event "
        "at each time, with those last seen earlier left out from then on (Kaplan & Meier)."
    )
    page.figure(Charts((_chart((truths[:middle], truths[middle:])),)), caption)


def kaplan_meier(times: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of events, from 0 on, and the fraction that is without the event from each on (Kaplan & Meier 1958)."""
    at = np.unique(times[events])
    at_risk = np.array([np.count_nonzero(times >= time) for time in at])
    seen = np.array([np.count_nonzero(events & (times == time)) for time in at])
    left = np.cumprod(1 - seen / at_risk) if len(at) else np.empty(0)
    return np.concatenate([[0.0], at]), np.concatenate([[1.0], left])


def _chart(halves: Sequence[np.ndarray]) -> Chart:
    figure, told = blank(4.0), []
    axes = figure.subplots()
    for place, (name, truths) in enumerate(zip(_HALVES, halves, strict=True)):
        times, left = kaplan_meier(truths[:, 0], truths[:, 1] > 0)
        end = max(float(truths[:, 0].max()), float(times[-1]))
        axes.step(np.append(times, end), np.append(left, left[-1]), where="post", color=Series(place).colour("light"))
        axes.annotate(name, (end, left[-1]), color=INK["light"], fontsize=9, ha="right", va="bottom")
        told.append(f"{name}: {left[-1]:.0%} of {len(truths)} without the event in the end")
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("without the event", color=INK["light"])
    finish(axes, "without the event", "Time", INK["light"], SOFT["light"])
    return in_both(figure, "; ".join(told))
