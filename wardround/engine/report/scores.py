"""Pieces of pages that show scores: summaries, cases, the worst of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wardround.engine.experiments.casetables import CASES, Distribution, distributions, metric_names
from wardround.engine.metrics.scores import CaseScores, Interval, Summary
from wardround.engine.parts import Kind
from wardround.engine.report.figures import spread
from wardround.engine.report.page import Page, number
from wardround.engine.report.units import Units
from wardround.engine.report.words import LOSS, UNDEFINED, counted, selecting_first
from wardround.engine.study import Study
from wardround.engine.targets import target_of

INTERVAL = "95 % CI"
MOST_ROWS = 1_000
"""Cases on a page: a browser has trouble with a hundred thousand, and nobody reads them."""
_MOST_COLUMNS = 12
"""Scores beside a case; those of many classes would make a table that nobody can scroll."""


def add_distributions(page: Page, scores: Mapping[str, Distribution], units: Units, caption: str) -> None:
    """A table of distributions, one row per metric; with the means' confidence intervals where there are any."""
    has_intervals = any(score.interval is not None for score in scores.values())
    columns = [
        "metric",
        "n",
        "mean",
        *([INTERVAL] if has_intervals else []),
        "spread (SD)",
        "median",
        "lowest",
        "highest",
    ]
    rows = [
        [
            units.named(name),
            str(score.count),
            number(score.mean),
            *([_between(score.interval)] if has_intervals else []),
            "–" if score.spread is None else number(score.spread),
            *map(number, (score.median, score.lowest, score.highest)),
        ]
        for name, score in scores.items()
    ]
    page.table(columns, rows, caption)


def add_cohort_scores(page: Page, summary: Mapping[str, Summary], cases: Sequence[CaseScores], units: Units) -> None:
    """Scores that only a whole cohort has, such as an area under the curve."""
    known = set(metric_names(cases))
    rows = [
        [units.named(name), str(score.count), number(score.value), _between(score.interval)]
        for name, score in summary.items()
        if name not in known
    ]
    if rows:
        page.table(["metric of the cohort", "n", "value", INTERVAL], rows)


def _between(interval: Interval | None) -> str:
    return "–" if interval is None else f"{number(interval.low)} to {number(interval.high)}"


def add_cases(page: Page, cases: Sequence[CaseScores], study: Study, units: Units, caption: str) -> None:
    """How the scores are spread, then one row per case, the worst first."""
    select, spreads = study.validation.select, distributions(cases)
    add_distributions(page, {name: spreads[name] for name in selecting_first(spreads, select)}, units, caption)
    _add_spread(page, cases, select, units)
    names = selecting_first(_columns(cases), select)
    rows = [
        [case.subject, *(number(case.scores[name]) if name in case.scores else UNDEFINED for name in names)]
        for case in ranked(cases, study)[:MOST_ROWS]
    ]
    lacking = f" {target_of(study).why_undefined}" if any(UNDEFINED in row for row in rows) else ""
    page.table(
        ["case", *map(units.named, names)],
        rows,
        f"{_order_in_words(cases, study)}{lacking} {units.explained(names)}".rstrip(),
    )


def _order_in_words(cases: Sequence[CaseScores], study: Study) -> str:
    if len(cases) > MOST_ROWS:
        which = f"{MOST_ROWS:,} of {counted(len(cases), 'case')} (all are in {CASES})"
    else:
        which = "Every case" if len(cases) > 1 else "The only case"
    leading = _leading(cases, study)
    return f"{which}, the worst first by {leading}." if leading and len(cases) > 1 else f"{which}."


def _add_spread(page: Page, cases: Sequence[CaseScores], select: str, units: Units) -> None:
    """The selecting metric and its classes, if there are several, over the cases. One that is 0 or 1 for each, or of
    one case, has no spread to look at."""
    chosen = {
        name: [case.scores[name] for case in cases if name in case.scores]
        for name in telling_names(metric_names(cases), select)
    }
    if any(len(values) > 1 and set(values) - {0.0, 1.0} for values in chosen.values()):
        page.figure(spread(chosen, units.named(select)), f"{select} of every case.")


def telling_names(names: Sequence[str], metric: str) -> list[str]:
    """A metric and the scores of its classes; of a single class, whose score is the same, the metric alone."""
    found = [name for name in names if name.partition(".")[0] == metric]
    classes = [name for name in found if name != metric]
    return [metric] if len(classes) == 1 and metric in found else found


def _columns(cases: Sequence[CaseScores]) -> tuple[str, ...]:
    known = metric_names(cases)
    metrics = dict.fromkeys(name.partition(".")[0] for name in known)
    names = tuple(name for metric in metrics for name in telling_names(known, metric))
    return names if len(names) <= _MOST_COLUMNS else tuple(name for name in names if "." not in name)


def ranked(cases: Sequence[CaseScores], study: Study) -> list[CaseScores]:
    """Cases from worst to best by the study's selecting metric, then those for which it is undefined.

    Equal ones, or all where it is not defined for single cases (as an area under a curve is not), by their loss, then
    by the other metrics.
    """
    signs = _signs(cases, study)

    def place(case: CaseScores) -> tuple[tuple[bool, float], ...]:
        return tuple((name not in case.scores, sign * case.scores.get(name, 0.0)) for name, sign in signs.items())

    return sorted(cases, key=lambda case: (place(case), case.subject))


def _signs(cases: Sequence[CaseScores], study: Study) -> dict[str, float]:
    """The scores of cases that tell a worse one from a better, the selecting metric first: 1 where more is better."""
    uses = {use.name: use for use in study.validation.metrics}
    known = {name for case in cases for name in case.scores}
    ordered = dict.fromkeys((study.validation.select, LOSS, *uses))
    return {
        name: 1.0 if name in uses and uses[name].part(Kind.METRIC).higher_is_better else -1.0
        for name in ordered
        if name in known
    }


def _leading(cases: Sequence[CaseScores], study: Study) -> str | None:
    """The first of those scores in which cases differ, or the first of all."""
    signs = _signs(cases, study)
    differing = (name for name in signs if len({case.scores[name] for case in cases if name in case.scores}) > 1)
    return next(differing, next(iter(signs), None))


def telling_cases(cases: Sequence[CaseScores], study: Study) -> dict[str, str]:
    """The worst, a middle and the best case, by subject, with that word and by what if it is not the selecting metric.

    Where cases have no score, the first, middle and last without a word.
    """
    leading, order = _leading(cases, study), ranked(cases, study)
    scored = [case for case in order if leading in case.scores]
    if not scored:
        return dict.fromkeys(_three(order), "")
    if len({case.scores[str(leading)] for case in scored}) == 1 and len(scored) > 1:
        return dict.fromkeys(_three(scored), f"all cases have the same {leading}")
    if len(scored) == 1:
        return {scored[0].subject: "the only scored case"}
    by = "" if leading == study.validation.select else f" by {leading}"
    chosen = _three(scored)
    words = ("the worst case", *["a middle case"][: len(chosen) - 2], "the best case")
    return {subject: word + by for subject, word in zip(chosen, words, strict=True)}


def _three(order: Sequence[CaseScores]) -> list[str]:
    places = (0, len(order) // 2, len(order) - 1) if order else ()
    return list(dict.fromkeys(order[place].subject for place in places))
