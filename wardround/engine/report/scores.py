"""Pieces of pages that show scores: summaries, cases, the worst of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wardround.engine.experiments.casetables import CASES, Distribution, distributions, metric_names
from wardround.engine.metrics.types import CaseScores, Summary
from wardround.engine.parts import Kind
from wardround.engine.report.figures import spread
from wardround.engine.report.page import Page, number
from wardround.engine.report.words import PIXELS, UNDEFINED, why_undefined, with_unit
from wardround.engine.study import Study

MOST_ROWS = 1_000
"""Cases on a page: a browser has trouble with a hundred thousand, and nobody reads them."""
_MOST_COLUMNS = 12
"""Scores beside a case; those of many classes would make a table that nobody can scroll."""


def add_distributions(page: Page, scores: Mapping[str, Distribution], caption: str) -> None:
    """A table of distributions, one row per metric."""
    columns = ["metric", "n", "mean", "spread (SD)", "median", "lowest", "highest"]
    rows = [
        [
            with_unit(name),
            str(score.count),
            *map(number, (score.mean, score.spread, score.median, score.lowest, score.highest)),
        ]
        for name, score in scores.items()
    ]
    page.table(columns, rows, caption)


def add_cohort_scores(page: Page, summary: Mapping[str, Summary], cases: Sequence[CaseScores]) -> None:
    """Scores that only a whole cohort has, such as an area under the curve."""
    known = set(metric_names(cases))
    rows = [
        [with_unit(name), str(score.count), number(score.value)] for name, score in summary.items() if name not in known
    ]
    if rows:
        page.table(["metric of the cohort", "n", "value"], rows)


def add_cases(page: Page, cases: Sequence[CaseScores], study: Study, caption: str) -> None:
    """How the scores are spread, then one row per case, the worst by the selecting metric first."""
    add_distributions(page, distributions(cases), caption)
    _add_spread(page, cases, study.validation.select)
    names = _columns(cases)
    rows = [
        [case.subject, *(number(case.scores[name]) if name in case.scores else UNDEFINED for name in names)]
        for case in ranked(cases, study)[:MOST_ROWS]
    ]
    which = "Every case" if len(cases) <= MOST_ROWS else f"{MOST_ROWS:,} of {len(cases):,} cases (all are in {CASES})"
    lacking = f" {why_undefined(study.task)}" if any(UNDEFINED in row for row in rows) else ""
    flat = f" {PIXELS}" if study.dimensions == 2 and any(with_unit(name) != name for name in names) else ""
    page.table(["case", *map(with_unit, names)], rows, f"{which}, the worst first.{lacking}{flat}")


def _add_spread(page: Page, cases: Sequence[CaseScores], select: str) -> None:
    """The selecting metric and its classes over the cases. One that is 0 or 1 for each has no spread to look at."""
    names = [name for name in metric_names(cases) if name.partition(".")[0] == select]
    chosen = {name: [case.scores[name] for case in cases if name in case.scores] for name in names}
    if any(set(values) - {0.0, 1.0} for values in chosen.values()):
        page.figure(spread(chosen, select), f"{select} of every case.")


def _columns(cases: Sequence[CaseScores]) -> tuple[str, ...]:
    names = metric_names(cases)
    return names if len(names) <= _MOST_COLUMNS else tuple(name for name in names if "." not in name)


def ranked(cases: Sequence[CaseScores], study: Study) -> list[CaseScores]:
    """Cases from worst to best by the study's selecting metric; then those for which it is undefined."""
    select = study.validation.select
    use = next(use for use in study.validation.metrics if use.name == select)
    sign = 1.0 if use.part(Kind.METRIC).higher_is_better else -1.0
    return sorted(
        cases, key=lambda case: (select not in case.scores, sign * case.scores.get(select, 0.0), case.subject)
    )


def telling_cases(cases: Sequence[CaseScores], study: Study) -> dict[str, str]:
    """The worst, a middle and the best case that the selecting metric is defined for, by subject, with that word.

    Where it is defined for none, as for a metric of the whole cohort, the first, middle and last without a word; of
    cases that are right or wrong, some of each.
    """
    select = study.validation.select
    order = ranked(cases, study)
    scored = [case for case in order if select in case.scores]
    if len({case.scores[select] for case in scored}) == 1 and len(scored) > 1:
        return dict.fromkeys(_three(scored), f"all cases have the same {select}")
    words = ("the worst case", "a middle case", "the best case") if len(scored) > 1 else ("the only scored case",)
    chosen = _three(scored or order)
    if not scored:
        return dict.fromkeys(chosen, "")
    return dict(zip(chosen, words if len(chosen) != 2 else (words[0], words[-1]), strict=False))


def _three(order: Sequence[CaseScores]) -> list[str]:
    places = (0, len(order) // 2, len(order) - 1) if order else ()
    return list(dict.fromkeys(order[place].subject for place in places))
