"""A run's history: one row per global model, as JSON lines and as CSV. Made from the committed rounds alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated

from pydantic import Field

from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.aggregator.rounds.selection import merged_metrics
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Added
from wardround.engine.metrics.scores import Summary, merge
from wardround.federation.protocol import Digest, MetricName, MetricValue, SiteName, WireModel


class SiteRow(WireModel):
    """One site's part: training in the round that made the model, scores of that model.

    `cases_changed`: whether it worked with other cases than in the round before in which it took part.
    """

    train_cases: int | None = None
    train_loss: float | None = None
    seconds: float | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    metrics: dict[MetricName, MetricValue] = Field(default_factory=dict)
    cases_changed: Annotated[bool, Added("0.2.0")] = False


class HistoryRow(WireModel):
    """One global model: how it was made, and how good it is.

    Attributes:
        round: the round that made it; 0 for the initial model.
        model: its digest.
        train_loss: mean training loss of the sites, weighted by their cases.
        seconds: of that round.
        metrics: over the validation cases of all sites that scored it; empty until the next round has done so.
        sites: the same for each site.
    """

    round: int
    model: Digest
    train_loss: float | None
    seconds: float | None
    metrics: dict[MetricName, MetricValue]
    sites: dict[SiteName, SiteRow]


def history_rows(results: Sequence[RoundResult]) -> tuple[HistoryRow, ...]:
    """A row for the initial model and one for each model that a round made."""
    return rows_from(results, 0)


def rows_from(results: Sequence[RoundResult], first: int) -> tuple[HistoryRow, ...]:
    """The rows of a history from the `first` on, by their place in it."""
    return tuple(_row_at(results, number) for number in range(first, rows_of(results)))


def rows_of(results: Sequence[RoundResult]) -> int:
    """How many rows a history has. An evaluation, which is the last round, makes none."""
    if not results:
        return 0
    return len(results) + (results[-1].trained)


def settled_rows(results: Sequence[RoundResult]) -> int:
    """How many of them no further round can change: a model's row is whole once a round has scored it."""
    return len(results)


def _row_at(results: Sequence[RoundResult], number: int) -> HistoryRow:
    scoring = results[number] if number < len(results) else None
    if number == 0:
        return _row(0, results[0].base, None, scoring)
    made = results[number - 1]
    row = _row(made.round, made.model, made, scoring)
    changed = {site: row.sites[site].model_copy(update={"cases_changed": True}) for site in _changed(results, number)}
    return row.model_copy(update={"sites": row.sites | changed}) if changed else row


def cohort_changes(results: Sequence[RoundResult]) -> dict[int, tuple[str, ...]]:
    """The rounds of training from which sites worked with other cases than before, and those sites."""
    trained = [result for result in results if result.trained]
    changes = {result.round: _changed(trained, number) for number, result in enumerate(trained, start=1)}
    return {number: sites for number, sites in changes.items() if sites}


def _changed(results: Sequence[RoundResult], number: int) -> tuple[str, ...]:
    """The sites of a round whose cases are others than in the round before in which they took part."""
    *before, last = results[:number]
    return tuple(site.site for site in last.sites if site.cohort not in (None, _former(before, site)))


def _former(before: Sequence[RoundResult], site: SiteResult) -> str | None:
    """What a site worked with before; what it works with now where nobody wrote that down."""
    for result in reversed(before):
        for other in result.sites:
            if other.site == site.site and other.cohort is not None:
                return other.cohort
    return site.cohort


def _row(number: int, model: str, made: RoundResult | None, scored: RoundResult | None) -> HistoryRow:
    metrics = merged_metrics(scored) if scored else {}
    return HistoryRow(
        round=number,
        model=model,
        train_loss=_mean_loss(made.sites) if made else None,
        seconds=made.seconds if made else None,
        metrics={name: MetricValue(value=found.value, count=found.count) for name, found in metrics.items()},
        sites=_site_rows(made, scored),
    )


def _site_rows(made: RoundResult | None, scored: RoundResult | None) -> dict[str, SiteRow]:
    trained = {site.site: site for site in made.sites} if made else {}
    scores = {site.site: site.metrics for site in scored.sites} if scored else {}
    return {name: _site_row(trained.get(name), scores.get(name, {})) for name in sorted({*trained, *scores})}


def _site_row(trained: SiteResult | None, metrics: dict[str, MetricValue]) -> SiteRow:
    if trained is None:
        return SiteRow(metrics=metrics)
    return SiteRow(
        train_cases=trained.train_cases,
        train_loss=trained.loss,
        seconds=trained.seconds,
        bytes_out=trained.bytes_out,
        bytes_in=trained.bytes_in,
        metrics=metrics,
    )


def _mean_loss(sites: Sequence[SiteResult]) -> float | None:
    mean = merge([Summary(site.loss, site.train_cases) for site in sites if site.loss is not None])
    return mean.value if mean.count else None


def history_jsonl(rows: Sequence[HistoryRow]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(canonical_model(row) + b"\n" for row in rows)


def metric_names(rows: Sequence[HistoryRow]) -> frozenset[str]:
    """Metrics that any of the rows has."""
    return frozenset(name for row in rows for name in row.metrics)


def csv_head(names: Collection[str]) -> bytes:
    """The first line of `history.csv`, with a column for each metric."""
    known = ["round", "site", "train_cases", "train_loss", "seconds", "bytes_out", "bytes_in"]
    return _csv([[*known, *sorted(names), "cases_changed"]])


def csv_lines(rows: Sequence[HistoryRow], names: Collection[str]) -> bytes:
    """A line per model and site, `all` for their mean."""
    return _csv(_cells(row.round, site, line, names) for row in rows for site, line in _lines_of(row))


def _lines_of(row: HistoryRow) -> list[tuple[str, SiteRow]]:
    return [("all", _total(row)), *row.sites.items()]


def _cells(number: int, site: str, line: SiteRow, names: Collection[str]) -> list[object]:
    known = [line.train_cases, line.train_loss, line.seconds, line.bytes_out, line.bytes_in]
    scores = [line.metrics[name].value if name in line.metrics else "" for name in sorted(names)]
    return [number, site, *("" if value is None else value for value in known), *scores, _told(line)]


def _csv(lines: Iterable[Sequence[object]]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(lines)
    return buffer.getvalue().encode()


def _told(line: SiteRow) -> str:
    return "yes" if line.cases_changed else ""


def _total(row: HistoryRow) -> SiteRow:
    sites = row.sites.values()
    return SiteRow(
        train_cases=sum(site.train_cases or 0 for site in sites) or None,
        train_loss=row.train_loss,
        seconds=row.seconds,
        bytes_out=sum(site.bytes_out for site in sites),
        bytes_in=sum(site.bytes_in for site in sites),
        metrics=row.metrics,
    )
