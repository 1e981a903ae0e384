"""The demo's page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wardround.aggregator.history import HistoryRow
from wardround.engine.report.figures import curves
from wardround.engine.report.page import Page
from wardround.simulation.anatomy import NOTICE
from wardround.simulation.baselines import POOLED
from wardround.simulation.hospitals import HOSPITALS
from wardround.simulation.matrix import FEDERATED, Matrix

if TYPE_CHECKING:
    from wardround.simulation.demo import DemoPlan

_LEAD = "Three hospitals, as separate processes on one machine, trained one model over TLS. No image left its hospital."


def write_report(
    path: Path, matrix: Matrix, picture: bytes, plan: DemoPlan, results: Path, seconds: Mapping[str, float]
) -> Path:
    """Write the page; returns its path. `results` is the aggregator's results folder."""
    page = Page("Wardround: the demo", _LEAD)
    page.facts(_facts(matrix, plan, seconds))
    caption = "Mean Dice of grey and white matter over held-back cases. Columns: whose cases. Rows: whose model."
    page.heading("Alone, together, pooled").table(matrix.columns(), matrix.cells(), caption)
    page.text("A hospital's own model does well at home and worse on the other scanners; the shared one does for all.")
    page.heading("Held-back cases").figure(picture, "Image, truth, the federated model, another hospital's own model.")
    page.heading("Round by round").figure(_learning(results), "Global model on the hospitals' validation cases.")
    page.heading("The hospitals").table(("hospital", "scanner"), [(one.name, one.description) for one in HOSPITALS])
    page.text("Small images made by deforming one average brain are easy: these scores say nothing about patients.")
    page.heading("Where the images come from").text(NOTICE)
    page.heading("Time").table(("part", "seconds"), [(name, f"{taken:.0f}") for name, taken in seconds.items()])
    return page.save(path)


def _facts(matrix: Matrix, plan: DemoPlan, seconds: Mapping[str, float]) -> Mapping[str, str]:
    return {
        "mean Dice trained alone": f"{matrix.alone_mean:.3f}",
        "mean Dice trained together": f"{matrix.shared(FEDERATED).mean:.3f}",
        "mean Dice all data pooled": f"{matrix.shared(POOLED).mean:.3f}",
        "rounds of local steps": f"{plan.rounds} × {plan.local_steps}",
        "seconds": f"{sum(seconds.values()):.0f}",
    }


def _learning(results: Path) -> bytes:
    lines = (results / "history.jsonl").read_text().splitlines()
    rows = [HistoryRow.model_validate_json(line) for line in lines]
    sites = sorted({site for row in rows for site in row.sites})
    dice = {
        site: [
            (float(row.round), row.sites[site].metrics["dice"].value)
            for row in rows
            if site in row.sites and "dice" in row.sites[site].metrics
        ]
        for site in sites
    }
    loss = {"all sites": [(float(row.round), row.train_loss) for row in rows if row.train_loss is not None]}
    return curves({"Dice on validation cases": dice, "training loss": loss}, "round")
