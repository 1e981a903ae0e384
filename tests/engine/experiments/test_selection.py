"""A metric that is undefined at a validation neither wins nor loses by it; throughout, the last weights are kept."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study
from wardround.engine.cli.main import app
from wardround.engine.experiments.history import Memory
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.run_record import Metrics
from wardround.engine.study import Study

FEW = {"optimizer": {"name": "adamw", "learning_rate": 0.02}, "batch_size": 4, "steps": 5}


def _split(manifest: Path, part: Callable[[int, dict[str, str]], str]) -> list[dict[str, str]]:
    """Give a manifest a Split column; its rows."""
    with manifest.open(newline="") as handle:
        rows = [row | {"Split": part(number, row)} for number, row in enumerate(csv.DictReader(handle))]
    with manifest.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def _empty_validation(folder: Path) -> tuple[Study, Path]:
    """A segmentation whose validation masks are all empty."""
    manifest = flat_cohort(folder / "data", cases=6)
    for row in _split(
        manifest, lambda number, _: ("train", "train", "train", "validation", "validation", "test")[number]
    ):
        if row["Split"] == "validation":
            path = manifest.parent / row["Label"]
            Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    return flat_study(training={"loss": "dice_ce", **FEW}), manifest


def _one_sided_validation(folder: Path) -> tuple[Study, Path]:
    """A classification that is selected by the area under a curve, with one class in its validation set."""
    manifest = halves_cohort(folder / "data", cases=12)
    _split(
        manifest,
        lambda number, row: "train" if number < 8 else "validation" if row["ValueToPredict"] == "0" else "test",
    )
    validation = {"metrics": ["accuracy", "auc"], "select": "auc"}
    return halves_study(training={"loss": "cross_entropy", **FEW}, validation=validation), manifest


def _run(command: str, study: Study, manifest: Path, *more: str) -> tuple[str, str]:
    path = manifest.parent / "study.yaml"
    write_study(path, study)
    found = CliRunner().invoke(app, [command, str(path), "--manifest", str(manifest), *more])
    assert found.exit_code == 0, found.output
    return found.stdout, found.stderr


@pytest.mark.parametrize(("cohort", "metric", "depth"), [
    (_empty_validation, "dice", ["--full"]), (_one_sided_validation, "auc", []),
])  # fmt: skip
def test_what_cannot_choose_is_said_before_the_run_and_the_last_weights_are_kept(
    tmp_path: Path, cohort: Callable[[Path], tuple[Study, Path]], metric: str, depth: list[str]
) -> None:
    study, manifest = cohort(tmp_path)
    warning = f"{metric} is undefined in the validation set of fold-0"
    assert warning in " ".join(_run("check", study, manifest, "--folds", "0", *depth)[0].split())
    said, before = _run("fit", study, manifest, "--out", str(tmp_path / "run"), "--device", "cpu")
    assert warning in " ".join(before.split())
    assert "best" not in said
    assert f"the last weights: {metric} was undefined at every validation" in said
    model = tmp_path / "run" / "fold-0" / "model"
    written = json.loads((model / "metrics.json").read_bytes())
    assert written["best_step"] is None
    assert metric in written["chosen"]
    assert (model / "model.safetensors").read_bytes() == (model / "last.safetensors").read_bytes()
    rows = [json.loads(row)["metrics"] for row in (model.parent / "history.jsonl").read_text().splitlines()]
    assert rows
    assert not any(name.startswith(metric) for row in rows for name in row)  # whatever a network finds by chance
    page = (tmp_path / "run" / "fold-0" / "report.html").read_text()
    assert "best step" not in page
    assert "best weights" not in page


def test_what_is_defined_is_not_warned_of(tmp_path: Path) -> None:
    out = _run("check", flat_study(), flat_cohort(tmp_path / "data"), "--full")[0]
    assert "undefined" not in out


def test_a_best_step_without_a_score_of_an_earlier_release_is_none() -> None:
    assert Memory(best_step=3, best_score=None).best is None


def test_metrics_of_an_earlier_release_have_a_best_step() -> None:
    folder = Path(__file__).parents[2] / "corpus" / "0.1.0" / "run" / "fold-0" / "model"
    assert Metrics.model_validate_json((folder / "metrics.json").read_bytes()).which == "best"
