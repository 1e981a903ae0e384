"""A run's history: one row per global model, as JSON lines and as CSV. Made from the committed rounds alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.aggregator.rounds.selection import merged_metrics
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import write_atomic
from wardround.engine.metrics.types import Summary, merge
from wardround.federation.protocol import Digest, MetricName, MetricValue, SiteName, Stage, WireModel


class SiteRow(WireModel):
    """One site's part: training in the round that made the model, scores of that model."""

    train_cases: int | None = None
    train_loss: float | None = None
    seconds: float | None = None
    bytes_out: int = 0
    bytes_in: int = 0
    metrics: dict[MetricName, MetricValue] = Field(default_factory=dict)


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
    if not results:
        return ()
    trained = [result for result in results if result.stage is Stage.TRAIN]
    rows = [_row(0, results[0].base, None, results[0])]
    for result in trained:
        scoring = results[result.round] if result.round < len(results) else None
        rows.append(_row(result.round, result.model, result, scoring))
    return tuple(rows)


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


def write_history(folder: Path, rows: Sequence[HistoryRow]) -> None:
    """Write `history.jsonl` (all of it) and `history.csv` (a line per model and site, `all` for their mean)."""
    write_atomic(folder / "history.jsonl", b"".join(canonical_model(row) + b"\n" for row in rows))
    write_atomic(folder / "history.csv", _csv(rows).encode())


def _csv(rows: Sequence[HistoryRow]) -> str:
    names = sorted({name for row in rows for name in row.metrics})
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["round", "site", "train_cases", "train_loss", "seconds", "bytes_out", "bytes_in", *names])
    for row in rows:
        for site, line in {"all": _total(row), **row.sites}.items():
            known = [line.train_cases, line.train_loss, line.seconds, line.bytes_out, line.bytes_in]
            scores = [line.metrics[name].value if name in line.metrics else "" for name in names]
            writer.writerow([row.round, site, *("" if value is None else value for value in known), *scores])
    return buffer.getvalue()


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
