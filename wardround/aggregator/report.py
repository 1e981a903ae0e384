"""The page at the end of a run: curves over rounds, each site's part, what was computed and what it cost."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wardround.aggregator.history import HistoryRow, cohort_changes
from wardround.aggregator.participation import Missed, Part, part_line, parts_of
from wardround.aggregator.rounds.records import RoundResult, SiteResult, heaviest
from wardround.aggregator.rounds.selection import Scored, Selection
from wardround.engine.report.page import Page, number
from wardround.engine.study import Study
from wardround.federation.protocol import Plan, Stage

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

    def row(self, number: int) -> HistoryRow | None:
        """The row of the model that a round made."""
        return self._by_round.get(number)

    @cached_property
    def _by_round(self) -> Mapping[int, HistoryRow]:
        return {row.round: row for row in self.rows}


def write_report(path: Path, record: RunRecord) -> Path:
    """Write the page; returns its path."""
    return make_page(record, make_picture(record)).save(path)


def make_page(record: RunRecord, picture: bytes | None) -> Page:
    """The page in memory, with the picture of its curves if there is one."""
    done = sum(result.stage is Stage.TRAIN for result in record.results)
    lead = f"{record.study.study}: {done} of {record.plan.horizon.rounds} rounds, {len(record.sites)} sites."
    page = Page(f"Federation {record.plan.federation}", lead).facts(_facts(record))
    if picture is not None:
        page.figure(picture, "Validation score and training loss over the rounds.")
    caption = "What each site gave." if record.best is None else "The best model at each site, and what the site gave."
    page.heading("Sites").table(*_site_table(record), caption=caption)
    for sentence in (*_without_best(record), *_changes(record), *_absences(record)):
        page.text(sentence)
    page.heading("Rounds").table(*_round_table(record), caption="Scores are those of the model that the round made.")
    return page.heading("Plan").table(["what", "value"], _plan_rows(record), caption="What every site accepted.")


def _without_best(record: RunRecord) -> list[str]:
    missing = Selection.of(record.study).without_best(record.results)
    return [f"{missing[0].upper()}{missing[1:]}."] if missing else []


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
    facts = {"time in rounds": f"{seconds:,.0f} s", "moved in all": megabytes(traffic)}
    if record.best is not None:
        best = record.best
        facts = {f"{record.metric} of the best model": number(best.overall.value), "its round": str(best.round)} | facts
    trained = [result for result in record.results if result.stage is Stage.TRAIN]
    heavy = heaviest(trained[-1].sites) if trained else None
    if heavy is not None and heavy.share is not None:
        facts["more than half of the mean"] = f"{heavy.site} ({heavy.share:.0%})"
    return facts


def make_picture(record: RunRecord) -> bytes | None:
    """The curves over the rounds, or None where no round has a number yet."""
    panels = {
        title: lines
        for title, lines in {
            record.metric: metric_lines(record.rows, record.metric),
            "training loss": loss_lines(record.rows),
        }.items()
        if lines
    }
    if not panels:
        return None
    from wardround.engine.report.figures import curves

    return curves(panels, x_label="round")


def metric_lines(rows: Sequence[HistoryRow], metric: str) -> Mapping[str, Line]:
    """Points of a metric's curves: over all sites, then each site."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, metrics in {ALL: row.metrics, **{site: line.metrics for site, line in row.sites.items()}}.items():
            if metric in metrics and metrics[metric].count:
                lines.setdefault(name, []).append((row.round, metrics[metric].value))
    return lines


def loss_lines(rows: Sequence[HistoryRow]) -> Mapping[str, Line]:
    """Points of the training losses: the weighted mean, then each site."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, loss in {ALL: row.train_loss, **{site: line.train_loss for site, line in row.sites.items()}}.items():
            if loss is not None:
                lines.setdefault(name, []).append((row.round, loss))
    return lines


def _site_table(record: RunRecord) -> tuple[list[str], list[list[str]]]:
    row = record.row(record.best.round) if record.best is not None else None
    scored = {name for line in (row.sites.values() if row else ()) for name in line.metrics}
    names = sorted(scored)
    columns = ["site", "rounds", "training cases", "part of the mean", "seconds a round", "sent", "received", *names]
    return columns, [_site_row(record, row, part, names) for part in parts_of(record.results, record.sites)]


def _site_row(record: RunRecord, row: HistoryRow | None, own: Part, names: Sequence[str]) -> list[str]:
    site = own.site
    parts = _parts(record, site)
    metrics = row.sites[site].metrics if row is not None and site in row.sites else {}
    return [
        site,
        part_line(own).partition(": ")[2],
        *_weight_cells(parts[-1] if parts else None),
        f"{statistics.fmean(part.seconds for part in parts):.1f}" if parts else "",
        megabytes(sum(part.bytes_in for part in parts)),
        megabytes(sum(part.bytes_out for part in parts)),
        *(number(metrics[name].value) if name in metrics else "" for name in names),
    ]


def _weight_cells(last: SiteResult | None) -> list[str]:
    """A site's training cases, and its part of the last mean that it was in."""
    if last is None:
        return ["", ""]
    return [str(last.train_cases), "" if last.share is None else f"{last.share:.0%}"]


def _parts(record: RunRecord, site: str) -> list[SiteResult]:
    """What a site gave to the rounds of training."""
    trained = (result for result in record.results if result.stage is Stage.TRAIN)
    return [part for result in trained for part in result.sites if part.site == site]


def _round_table(record: RunRecord) -> tuple[list[str], list[list[str]]]:
    columns = ["round", "replies", "without", "training loss", record.metric, "seconds", "to sites", "from sites"]
    return columns, [_round_row(record, result) for result in record.results]


def _round_row(record: RunRecord, result: RoundResult) -> list[str]:
    trained = result.stage is Stage.TRAIN
    row = record.row(result.round) if trained else None
    score = row.metrics.get(record.metric) if row else None
    return [
        str(result.round) if trained else "evaluation",
        str(len(result.sites)),
        ", ".join(f"{absence.site} ({absence.state})" for absence in result.absent),
        number(row.train_loss) if row and row.train_loss is not None else "",
        number(score.value) if score else "",
        f"{result.seconds:.1f}",
        megabytes(sum(site.bytes_out for site in result.sites)),
        megabytes(sum(site.bytes_in for site in result.sites)),
    ]


def _plan_rows(record: RunRecord) -> list[list[str]]:
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
    return f"{count / 1e6:,.2f} MB" if count < 10e6 else f"{count / 1e6:,.0f} MB"
