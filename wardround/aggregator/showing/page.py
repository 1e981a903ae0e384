"""The page at the end of a run: curves over rounds, each site's part, what was computed and what it cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.aggregator.rounds.records import RoundResult, SiteResult, heaviest
from wardround.aggregator.rounds.selection import Scored, Selection
from wardround.aggregator.showing.history import HistoryRow, cohort_changes
from wardround.aggregator.showing.participation import Missed, Part, part_line, parts_of
from wardround.engine.basics.durations import duration
from wardround.engine.report.colours import ALL as INK
from wardround.engine.report.colours import Series, series_of
from wardround.engine.report.page import Cell, Page, number
from wardround.engine.report.units import Units
from wardround.engine.report.words import counted, selecting_first
from wardround.engine.study import Study
from wardround.federation.declared import TEST_PREFIX
from wardround.federation.protocol import MetricValue, Plan

if TYPE_CHECKING:
    from wardround.engine.report.page import Charts

Table = tuple[list[str], list[list[str | Cell]]]
NOT_SCORED = "– not scored"
Line = Sequence[tuple[float, float]]
ALL = "all sites"


@dataclass(frozen=True)
class RunRecord:
    """A run, complete or not, as its report sees it; or an excerpt of one, with the rows of its rounds and its best."""

    plan: Plan
    study: Study
    sites: tuple[str, ...]
    results: tuple[RoundResult, ...]
    rows: tuple[HistoryRow, ...]
    best: Scored | None

    @property
    def metric(self) -> str:
        """The metric that selects the best model."""
        return self.study.validation.select

    @property
    def units(self) -> Units:
        """Of the scores, as far as the study tells: images are seen by their sites alone."""
        return Units.of_study(self.study)

    def row(self, number: int) -> HistoryRow | None:
        """The row of the model that a round made."""
        return self._by_round.get(number)

    @property
    def tested(self) -> HistoryRow | None:
        """The row of the model that the sites' test cases have scored, if one was: the last."""
        return next((row for row in reversed(self.rows) if any(map(_is_test, row.metrics))), None)

    @cached_property
    def looks(self) -> Mapping[str, Series]:
        """How each site looks in figures and tables, on every page of the run."""
        seen = {part.site for result in self.results for part in result.sites} | {
            s for row in self.rows for s in row.sites
        }
        return series_of(self.sites, seen)

    def named(self, site: str) -> Cell:
        """A site's cell in a table, with its mark."""
        return Cell(site, self.looks.get(site))

    @cached_property
    def _by_round(self) -> Mapping[int, HistoryRow]:
        return {row.round: row for row in self.rows}


def write_report(path: Path, record: RunRecord) -> Path:
    """Write the page; returns its path."""
    return make_page(record, make_picture(record)).save(path)


def make_page(record: RunRecord, picture: Charts | None) -> Page:
    """The page in memory, with the picture of its curves if there is one: test scores first, then how they came."""
    done = sum(result.trained for result in record.results)
    lead = f"{record.study.study}: {done} of {record.plan.horizon.rounds} rounds, {counted(len(record.sites), 'site')}."
    page = Page(f"Federation {record.plan.federation}", lead).facts(_facts(record))
    _add_scores(page, record)
    if picture is not None:
        page.heading("Learning").figure(picture, "Scores of the global model on validation cases, and training loss.")
    page.heading("Sites").table(*_site_table(record), caption="What each site gave to the rounds of training.")
    for sentence in (*_changes(record), *_absences(record)):
        page.text(sentence)
    page.heading("Rounds").table(*_round_table(record), caption="Scores are those of the model that the round made.")
    return page.heading("Plan").table(["what", "value"], _plan_rows(record), caption="What every site accepted.")


def _without_best(record: RunRecord) -> list[str]:
    missing = Selection.of(record.study).without_best(record.results)
    return [f"{missing[0].upper()}{missing[1:]}."] if missing else []


def _add_scores(page: Page, record: RunRecord) -> None:
    """The test cases' scores if there are any, those of the best model on validation cases, then both by class."""
    tested, best = record.tested, record.row(record.best.round) if record.best is not None else None
    if tested is not None:
        caption = f"The model of round {tested.round}, scored once, after the last round."
        page.heading("Test cases").table(*_score_table(record, tested, TEST_PREFIX), caption)
    if best is not None:
        page.heading("Validation cases").table(
            *_score_table(record, best, ""), f"The best model, of round {best.round}."
        )
    for sentence in _without_best(record):
        page.text(sentence)
    explained = record.units.explained([record.metric, *(row.metrics if (row := tested or best) else ())])
    if explained:
        page.text(explained)
    by_class = _class_table(record, tested, best)
    if by_class is not None:
        page.table(*by_class, "By class, over all sites. Each site's are in history.csv.")


def _score_table(record: RunRecord, row: HistoryRow, prefix: str) -> Table:
    """One line for all sites, and one for each that scored the model: cases, then scores that are not of one class."""
    found = sorted(name for name in _scores(row.metrics, prefix) if "." not in name)
    names = selecting_first(found, record.metric)
    sites = [(record.named(site), row.sites[site].metrics) for site in record.looks if site in row.sites]
    scored = [(cell, metrics) for cell, metrics in sites if _scores(metrics, prefix)]
    lines = [(Cell("all sites", INK), row.metrics), *scored]
    columns = ["site", "cases", *map(record.units.named, names)]
    return columns, [_score_row(cell, _scores(m, prefix), names) for cell, m in lines]


def _score_row(cell: Cell, scores: Mapping[str, MetricValue], names: Sequence[str]) -> list[str | Cell]:
    cases = max((score.count for score in scores.values()), default=0)
    return [cell, str(cases), *(_score_cell(scores.get(name)) for name in names)]


def _score_cell(score: MetricValue | None) -> str:
    return number(score.value) if score is not None and score.count else NOT_SCORED


def _class_table(record: RunRecord, tested: HistoryRow | None, best: HistoryRow | None) -> Table | None:
    tests = _scores(tested.metrics, TEST_PREFIX) if tested is not None else {}
    checks = _scores(best.metrics, "") if best is not None else {}
    names = selecting_first(sorted(name for name in {*tests, *checks} if "." in name), record.metric)
    if not names:
        return None
    columns = [*(["test cases"] if tests else []), *(["validation cases"] if checks else [])]
    found = [scores for scores in (tests, checks) if scores]
    rows: list[list[str | Cell]] = [
        [record.units.named(name), *(_score_cell(scores.get(name)) for scores in found)] for name in names
    ]
    return ["score of a class", *columns], rows


def _scores(metrics: Mapping[str, MetricValue], prefix: str) -> dict[str, MetricValue]:
    """The scores of test cases, by their names without the prefix, or those of validation cases."""
    return {name.removeprefix(prefix): value for name, value in metrics.items() if _is_test(name) == bool(prefix)}


def _is_test(name: str) -> bool:
    return name.startswith(TEST_PREFIX)


def _changes(record: RunRecord) -> list[str]:
    """From which round on a site's cases are others: scores before and after are of different patients."""
    return [
        f"From round {number} on the cases of {' and '.join(sites)} are not those of the rounds before."
        for number, sites in cohort_changes(record.results).items()
    ]


def _absences(record: RunRecord) -> list[str]:
    """Why rounds went on without a site, in the words of the last such round of each state."""
    told: dict[tuple[str, str], Missed] = {}
    for part in parts_of(record.results, record.sites):
        told.update({(part.site, missed.state): missed for missed in part.missed if missed.reason})
    return [
        f"Round {missed.round} went on without {site} ({state}): {missed.reason}."
        for (site, state), missed in told.items()
    ]


def _facts(record: RunRecord) -> dict[str, str]:
    seconds = sum(result.seconds for result in record.results)
    traffic = sum(site.bytes_out + site.bytes_in for result in record.results for site in result.sites)
    cost = {"time in rounds": duration(seconds), "moved in all": megabytes(traffic)}
    return _scored(record) | cost | _heaviest(record)


def _scored(record: RunRecord) -> dict[str, str]:
    """The scores that count, those of test cases first."""
    facts: dict[str, str] = {}
    score = record.tested.metrics.get(TEST_PREFIX + record.metric) if record.tested is not None else None
    if score is not None and score.count:
        facts[f"{record.units.named(record.metric)}, {counted(score.count, 'test case')}"] = number(score.value)
    if record.best is not None:
        best = record.best
        cases = counted(best.overall.count, "validation case")
        facts[f"{record.units.named(record.metric)} of the best model, {cases}"] = number(best.overall.value)
        facts["round of the best model"] = str(best.round)
    return facts


def _heaviest(record: RunRecord) -> dict[str, str]:
    trained = [result for result in record.results if result.trained]
    heavy = heaviest(trained[-1].sites) if trained else None
    if heavy is None or heavy.share is None:
        return {}
    return {"more than half of the mean": f"{heavy.site} ({heavy.share:.0%})"}


def make_picture(record: RunRecord) -> Charts | None:
    """The curves over the rounds, or None where no round has a number yet."""
    panels = {
        title: lines
        for title, lines in {
            record.units.named(f"validation {record.metric}"): metric_lines(record.rows, record.metric),
            "training loss": loss_lines(record.rows),
        }.items()
        if lines
    }
    if not panels:
        return None
    from wardround.engine.report.figures import curves

    return curves(panels, x_label="round", series={ALL: INK, **record.looks})


def metric_lines(rows: Sequence[HistoryRow], metric: str) -> Mapping[str, Line]:
    """Points of a metric's curves: over all sites, then each site, with a gap where it has none of a round's."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, metrics in {ALL: row.metrics, **{site: line.metrics for site, line in row.sites.items()}}.items():
            if metric in metrics and metrics[metric].count:
                lines.setdefault(name, []).append((row.round, metrics[metric].value))
    return _with_gaps(lines)


def loss_lines(rows: Sequence[HistoryRow]) -> Mapping[str, Line]:
    """Points of the training losses: the weighted mean, then each site, with the same gaps."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, loss in {ALL: row.train_loss, **{site: line.train_loss for site, line in row.sites.items()}}.items():
            if loss is not None:
                lines.setdefault(name, []).append((row.round, loss))
    return _with_gaps(lines)


def _with_gaps(lines: Mapping[str, Line]) -> dict[str, Line]:
    """The lines, each broken (by a value that is no number) in the rounds between its own that only others have: a
    line across them would show what nobody has measured."""
    rounds = {place for points in lines.values() for place, _ in points}
    return {name: _with_gaps_at(points, rounds) for name, points in lines.items()}


def _with_gaps_at(points: Line, rounds: Set[float]) -> Line:
    own = dict(points)
    inner = {place for place in rounds if points[0][0] < place < points[-1][0]}
    return [(place, own.get(place, math.nan)) for place in sorted({*own, *inner})]


def _site_table(record: RunRecord) -> Table:
    columns = ["site", "rounds", "training cases", "part of the mean", "time a round (s)", "sent (MB)", "received (MB)"]
    return columns, [_site_row(record, part) for part in parts_of(record.results, record.sites)]


def _site_row(record: RunRecord, own: Part) -> list[str | Cell]:
    parts = _parts(record, own.site)
    return [
        record.named(own.site),
        part_line(own).partition(": ")[2].replace(" rounds", "", 1),
        *_weight_cells(parts[-1] if parts else None),
        f"{statistics.fmean(part.seconds for part in parts):.1f}" if parts else "–",
        _in_megabytes(sum(part.bytes_in for part in parts)),
        _in_megabytes(sum(part.bytes_out for part in parts)),
    ]


def _weight_cells(last: SiteResult | None) -> list[str]:
    """A site's training cases, and its part of the last mean that it was in."""
    if last is None:
        return ["– no reply", "–"]
    return [str(last.train_cases), "–" if last.share is None else f"{last.share:.0%}"]


def _parts(record: RunRecord, site: str) -> list[SiteResult]:
    """What a site gave to the rounds of training."""
    trained = (result for result in record.results if result.trained)
    return [part for result in trained for part in result.sites if part.site == site]


def _round_table(record: RunRecord) -> Table:
    score = f"validation {record.units.named(record.metric)}"
    columns = ["round", "replies", "training loss", score, "time (s)", "to sites (MB)", "from sites (MB)", "without"]
    return columns, [_round_row(record, result) for result in record.results]


def _round_row(record: RunRecord, result: RoundResult) -> list[str | Cell]:
    trained = result.trained
    row = record.row(result.round) if trained else None
    score = row.metrics.get(record.metric) if row else None
    return [
        str(result.round) if trained else "evaluation",
        str(len(result.sites)),
        number(row.train_loss) if row and row.train_loss is not None else "–",
        _score_cell(score) if trained else "–",
        f"{result.seconds:.1f}",
        _in_megabytes(sum(site.bytes_out for site in result.sites)),
        _in_megabytes(sum(site.bytes_in for site in result.sites)),
        _without(result),
    ]


def _without(result: RoundResult) -> str:
    return ", ".join(f"{absence.site} ({absence.state})" for absence in result.absent) or "–"


def _plan_rows(record: RunRecord) -> list[list[str | Cell]]:
    plan = record.plan
    return [
        ["plan", plan.digest],
        ["study", f"{record.study.study} ({plan.study})"],
        ["horizon", f"{plan.horizon.rounds} rounds of {plan.horizon.local_steps} local steps"],
        ["strategy", plan.strategy.described],
        ["an update weighs by", plan.weights.described],
        ["test fold", str(plan.fold)],
        ["roster", f"{', '.join(record.sites)} ({plan.roster})"],
    ]


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{_in_megabytes(count)} MB"


def _in_megabytes(count: int) -> str:
    return f"{count / 1e6:,.2f}" if count < 10e6 else f"{count / 1e6:,.0f}"
