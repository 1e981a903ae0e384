"""The demo's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.aggregator.showing.history import HistoryRow
from wardround.aggregator.showing.page import ALL, loss_lines, metric_lines
from wardround.demo.anatomy import NOTICE
from wardround.demo.baselines import POOLED
from wardround.demo.figure import Strip, legend, panels_of
from wardround.demo.hospitals import HOSPITALS
from wardround.demo.matrix import FEDERATED, Matrix
from wardround.engine.basics.durations import duration
from wardround.engine.report.colours import ALL as INK
from wardround.engine.report.colours import Series, series_of
from wardround.engine.report.figures import curves
from wardround.engine.report.page import Cell, Charts, Page

if TYPE_CHECKING:
    from wardround.demo.plan import DemoPlan

_LEAD = "Three hospitals, as separate processes on one machine, trained one model over TLS. No image left its hospital."


def write_report(
    path: Path,
    matrix: Matrix,
    pictures: tuple[Sequence[Strip], Sequence[str]],
    plan: DemoPlan,
    results: Path,
    seconds: Mapping[str, float],
) -> Path:
    """Write the page; returns its path. `pictures` are each hospital's, with the names of their classes; `results` is
    the aggregator's results folder."""
    looks = series_of(matrix.sites)
    page = Page("Wardround: the demo", _LEAD)
    page.facts(_facts(matrix, plan, seconds))
    caption = "Mean Dice of grey and white matter over held-back cases. Columns: whose cases. Rows: whose model."
    page.heading("Alone, together, pooled").table(matrix.columns(), _marked(matrix, looks), caption)
    page.text("A hospital's own model does well at home and worse on the other scanners; the shared one does for all.")
    _add_pictures(page, *pictures)
    page.heading("Round by round").figure(
        _learning(results, looks), "Scores of the global model on validation cases, and training loss."
    )
    hospitals = [(Cell(one.name, looks.get(one.name)), one.description) for one in HOSPITALS]
    page.heading("The hospitals").table(("hospital", "scanner"), hospitals)
    page.text("Small images made by deforming one average brain are easy: these scores say nothing about patients.")
    page.heading("Where the images come from").text(NOTICE)
    page.heading("Time").table(("part", "time (s)"), [(name, f"{taken:.0f}") for name, taken in seconds.items()])
    return page.save(path)


def _add_pictures(page: Page, strips: Sequence[Strip], class_names: Sequence[str]) -> None:
    page.heading("Held-back cases").text("Image, truth, the federated model, another hospital's own model.")
    page.keys(legend(strips, class_names))
    for strip in strips:
        page.gallery(f"{strip.name}: {strip.told}", panels_of(strip))


def _marked(matrix: Matrix, looks: Mapping[str, Series]) -> list[list[str | Cell]]:
    """The table's rows, with its mark before the model that a hospital trained alone."""
    owners = {f"{site} alone": look for site, look in looks.items()}
    return [[Cell(first, owners.get(first)), *rest] for first, *rest in matrix.cells()]


def _facts(matrix: Matrix, plan: DemoPlan, seconds: Mapping[str, float]) -> Mapping[str, str]:
    return {
        "mean Dice trained alone": f"{matrix.alone_mean:.3f}",
        "mean Dice trained together": f"{matrix.shared(FEDERATED).mean:.3f}",
        "mean Dice all data pooled": f"{matrix.shared(POOLED).mean:.3f}",
        "rounds of local steps": f"{plan.rounds} × {plan.local_steps}",
        "it took": duration(sum(seconds.values())),
    }


def _learning(results: Path, looks: Mapping[str, Series]) -> Charts:
    """The curves of the federation's own page, whose sites look alike on both."""
    lines = (results / "history.jsonl").read_text().splitlines()
    rows = [HistoryRow.model_validate_json(line) for line in lines]
    panels = {"validation dice": metric_lines(rows, "dice"), "training loss": loss_lines(rows)}
    return curves(panels, "round", {ALL: INK, **looks})
