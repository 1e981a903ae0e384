"""Pieces of pages that show scores: summaries, cases, the worst of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wardround.engine.experiments.casetables import CASES, Distribution, distributions, metric_names
from wardround.engine.experiments.prediction import CasePrediction
from wardround.engine.metrics.types import CaseScores, Summary
from wardround.engine.parts import Kind
from wardround.engine.report.figures import Overlay, overlays, spread, volume_overlays
from wardround.engine.report.page import Page, number
from wardround.engine.study import Study

_MOST_CASES = 3
MOST_ROWS = 1_000
"""Cases on a page: a browser has trouble with a hundred thousand, and nobody reads them."""


def add_distributions(page: Page, scores: Mapping[str, Distribution], caption: str) -> None:
    """A table of distributions, one row per metric."""
    columns = ["metric", "n", "mean", "spread (SD)", "median", "lowest", "highest"]
    rows = [
        [name, str(score.count), *map(number, (score.mean, score.spread, score.median, score.lowest, score.highest))]
        for name, score in scores.items()
    ]
    page.table(columns, rows, caption)


def add_cohort_scores(page: Page, summary: Mapping[str, Summary], cases: Sequence[CaseScores]) -> None:
    """Scores that only a whole cohort has, such as an area under the curve."""
    known = set(metric_names(cases))
    rows = [[name, str(score.count), number(score.value)] for name, score in summary.items() if name not in known]
    if rows:
        page.table(["metric of the cohort", "n", "value"], rows)


def add_cases(page: Page, cases: Sequence[CaseScores], study: Study, caption: str) -> None:
    """How the scores are spread, then one row per case, the worst by the selecting metric first."""
    names = metric_names(cases)
    add_distributions(page, distributions(cases), caption)
    shown = {name: [case.scores[name] for case in cases if name in case.scores] for name in names}
    chosen = {name: values for name, values in shown.items() if name.partition(".")[0] == study.validation.select}
    if chosen:
        page.figure(spread(chosen, study.validation.select), f"{study.validation.select} of every case.")
    rows = [
        [case.subject, *(number(case.scores[name]) if name in case.scores else "–" for name in names)]
        for case in ranked(cases, study)[:MOST_ROWS]
    ]
    which = "Every case" if len(cases) <= MOST_ROWS else f"{MOST_ROWS:,} of {len(cases):,} cases (all are in {CASES})"
    page.table(["case", *names], rows, f"{which}, the worst first. An undefined score is a dash.")


def ranked(cases: Sequence[CaseScores], study: Study) -> list[CaseScores]:
    """Cases from worst to best by the study's selecting metric; those without it come first."""
    select = study.validation.select
    use = next(use for use in study.validation.metrics if use.name == select)
    sign = 1.0 if use.part(Kind.METRIC).higher_is_better else -1.0
    return sorted(cases, key=lambda case: (select in case.scores, sign * case.scores.get(select, 0.0), case.subject))


def telling_cases(cases: Sequence[CaseScores], study: Study) -> tuple[str, ...]:
    """Subjects of the worst, the middle and the best case, without repeats."""
    order = ranked(cases, study)
    places = (0, len(order) // 2, len(order) - 1) if order else ()
    return tuple(dict.fromkeys(order[place].subject for place in places))[:_MOST_CASES]


def case_overlays(predictions: Sequence[CasePrediction]) -> list[Overlay]:
    """Truth and prediction over the first channel of each segmented case."""
    found: list[Overlay] = []
    for prediction in predictions:
        if prediction.labels is None:
            continue
        outlines = {"prediction": prediction.labels}
        if prediction.sample.label is not None:
            outlines = {"truth": prediction.sample.label, **outlines}
        found.extend(volume_overlays(prediction.case.subject, prediction.sample.image.data[0], outlines))
    return found


def add_overlays(page: Page, predictions: Sequence[CasePrediction], study: Study) -> None:
    """Pictures of segmented cases, if there are any."""
    pictures = case_overlays(predictions)
    if pictures:
        page.heading("Worst, middle and best case")
        caption = "Truth (solid) and prediction (dashed) on the planes with most of the truth."
        page.figure(overlays(pictures, study.class_names), caption)
