"""Runs beside each other: as a table of CSV, a page, or lines for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.experiments.casetables import Distribution
from wardround.engine.experiments.collecting import Comparison, Standing
from wardround.engine.report.page import Page, number
from wardround.engine.report.units import Units
from wardround.engine.report.words import counted

_ORDER = "Runs are in the order of their validation cases: test cases are for judging, not for choosing."
_ABOUT = (
    "Mean ± standard deviation, with the 95 % confidence interval of the mean: over the splits of each run, or, of a "
    "single split, over its cases."
)


def comparison_csv(comparison: Comparison) -> bytes:
    """A row for each run, with numbers in cells of their own."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    select, settings = _select(comparison), [*comparison.standings[0].settings]
    ends = [name for metric in comparison.metrics for name in _columns(metric)]
    behind = _columns(f"{select} against {comparison.standings[0].run.name}")
    writer.writerow(["Run", *settings, "Splits", "Cases", f"validation {select}", *ends, *behind])
    for each in comparison.standings:
        scores = [cell for metric in comparison.metrics for cell in _cells(each.scores.get(metric))]
        validation = each.run.validation
        own = [each.run.name, *each.settings.values(), len(each.run.splits), each.run.scored]
        writer.writerow([*own, "" if validation is None else validation, *scores, *_cells(each.behind)])
    return text.getvalue().encode()


def _columns(name: str) -> list[str]:
    return [name, f"{name} spread", f"{name} 95 % CI from", f"{name} 95 % CI to"]


def _cells(score: Distribution | None) -> list[float | str]:
    if score is None:
        return [""] * 4
    low, high = ("", "") if score.interval is None else (score.interval.low, score.interval.high)
    return [score.mean, "" if score.spread is None else score.spread, low, high]


def _select(comparison: Comparison) -> str:
    return comparison.standings[0].run.study.validation.select


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page that compares runs; returns its path."""
    units = Units.of_study(comparison.standings[0].run.study)
    count, part = len(comparison.standings), comparison.part
    lead = f"{counted(count, 'run')}, each scored with the same {part} cases. {_ORDER}"
    page = Page(f"{count} runs compared", lead)
    for sentence in comparison.notes:
        page.warn(sentence)
    _add_order(page, comparison, units)
    _add_differences(page, comparison, units)
    names = [name for name in comparison.metrics if name != _select(comparison)]
    if names:
        scores = [[each.run.name, *(_cell(each, name) for name in names)] for each in comparison.standings]
        page.heading("Other scores").table(["run", *map(units.named, names)], scores, _ABOUT)
    return page.save(path)


def _add_order(page: Page, comparison: Comparison, units: Units) -> None:
    """The runs with their settings, the best by validation first."""
    first, select = comparison.standings[0], _select(comparison)
    settings = [*first.settings]
    columns = ["run", *settings, f"validation {units.named(select)}", units.named(select)]
    rows = [
        [each.run.name, *(each.settings[key] or "–" for key in settings), *_validation(each), _cell(each, select)]
        for each in comparison.standings
    ]
    about = f"A {first.run.study.task}. {_ABOUT}"
    page.heading(f"Best by validation: {first.run.name}").table(columns, rows, about)


def _add_differences(page: Page, comparison: Comparison, units: Units) -> None:
    """How far each run is from the first, where single cases have scores."""
    first, *others = comparison.standings
    rows = [[each.run.name, _told(each.behind)] for each in others if each.behind is not None]
    if rows:
        about = "Case by case, with the 95 % confidence interval of the mean: one that holds 0 tells of no difference."
        heading = f"{units.named(_select(comparison))} against {first.run.name}"
        page.heading(heading).table(["run", "difference"], rows, about)


def _validation(standing: Standing) -> list[str]:
    return ["–" if standing.run.validation is None else number(standing.run.validation)]


def _cell(standing: Standing, name: str) -> str:
    return _told(standing.scores.get(name))


def _told(score: Distribution | None) -> str:
    if score is None:
        return "–"
    spread = "" if score.spread is None else f" ± {number(score.spread)}"
    interval = "" if score.interval is None else f" ({number(score.interval.low)} to {number(score.interval.high)})"
    return f"{number(score.mean)}{spread}{interval}"


def comparison_text(comparison: Comparison) -> str:
    """The runs in a few lines for a terminal, the best by validation first."""
    select = _select(comparison)
    lines = [f"{comparison.part} {select}, mean ± standard deviation (95 % confidence interval of the mean)"]
    rows = [(each.run.name, *_validation(each), _cell(each, select), _own(each)) for each in comparison.standings]
    widths = [max(len(row[column]) for row in (("run", "validation", "", ""), *rows)) for column in range(3)]
    for row in (("run", "validation", comparison.part, ""), *rows):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        lines.append(f"{'  '.join(padded)}  {row[3]}".rstrip())
    return "\n".join([*lines, _ORDER])


def _own(standing: Standing) -> str:
    return ", ".join(f"{key} {value or '-'}" for key, value in standing.settings.items())


def comparison_json(comparison: Comparison) -> dict[str, JsonValue]:
    """The same for programs."""
    return {
        "cases": comparison.part,
        "notes": [*comparison.notes],
        "runs": [dict(_described(each)) for each in comparison.standings],
    }


def _described(standing: Standing) -> Iterator[tuple[str, JsonValue]]:
    yield "run", standing.run.name
    yield "settings", dict(standing.settings)
    yield "splits", [*standing.run.splits]
    yield "validation", standing.run.validation
    yield "scores", {name: _numbers(score) for name, score in standing.scores.items()}
    yield "behind", None if standing.behind is None else _numbers(standing.behind)


def _numbers(score: Distribution) -> JsonValue:
    interval: JsonValue = None if score.interval is None else [score.interval.low, score.interval.high]
    return {"mean": score.mean, "spread": score.spread, "count": score.count, "interval": interval}
