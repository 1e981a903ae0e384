"""A multi-label study from files to its page: unknown labels, predictions, scores and what the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.engine.experiments.test_regression import glow_study
from tests.support.commands import run_wardround
from tests.support.images import write_table
from tests.support.studies import write_study
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments import Workbench, fit, load_model
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.prediction import write_predictions
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.study import Study

CASES = 24


def findings_study(**changes: Any) -> Study:
    """Two labels: a bright left, a bright top."""
    settings: dict[str, Any] = {
        "study": "findings",
        "task": "multilabel",
        "targets": ["left", "top"],
        "training": {
            "loss": "bce",
            "optimizer": {"name": "adamw", "learning_rate": 0.01},
            "batch_size": 8,
            "steps": 30,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["auc", "f1", "accuracy"], "select": "auc"},
    }
    return glow_study(**(settings | changes))


def findings_cohort(folder: Path, seed: int = 0) -> Path:
    """Pictures with both, one or none of the labels; every sixth top is unknown."""
    random, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True)
    for number in range(CASES):
        left, top = number % 2, number // 2 % 2
        pixels = random.normal(60, 5, (16, 16))
        pixels[:, :4] += 90 * left
        pixels[:4, :] += 90 * top
        picture = Image(pixels.clip(0, 255).astype(np.uint8)[None], plain_geometry((16, 16)))
        write_image(folder / f"{number}.png", picture)
        rows.append((f"case-{number:02d}", f"{number}.png", left, "" if number % 6 == 5 else top))
    return write_table(
        folder / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict_left", "ValueToPredict_top"), rows
    )


def test_it_learns_both_labels_and_scores_what_it_writes(tmp_path: Path) -> None:
    study, manifest = findings_study(), findings_cohort(tmp_path / "data")
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    result = fit(bench, tmp_path / "run")
    assert result.metrics.test is not None
    assert result.metrics.test.values["auc"] > 0.9
    assert {"auc.left", "auc.top", "f1", "loss"} <= {*result.metrics.test.values}
    model = load_model(result.model, device="cpu")
    written = write_predictions(model, read_manifest(manifest, study, truth=Truth.UNREAD), tmp_path / "out")
    header = written.files[0].read_text().splitlines()[0]
    assert header == "SubjectID,Prediction_left,Prediction_top,Probability_left,Probability_top"
    cohort = read_manifest(manifest, study, truth=Truth.OPTIONAL)
    of_model = evaluate_cohort(study, cohort, model_predictor(study, model))
    of_table = evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))
    assert of_model.summary["auc.top"].count == CASES - CASES // 6
    for name, summary in of_model.summary.items():
        assert abs(of_table.summary[name].value - summary.value) < 1e-6, name


def test_the_commands_count_positives_and_show_a_table_of_labels(tmp_path: Path) -> None:
    manifest = findings_cohort(tmp_path / "data")
    study = findings_study(training={"loss": "bce", "steps": 2, "batch_size": 4})
    path = write_study(tmp_path / "study.yaml", study.model_dump(mode="json", by_alias=True, exclude={"classes"}))
    checked = run_wardround("check", path, "--manifest", manifest)
    assert checked.code == 0, checked.err
    assert "labels   left (12 of 24 cases), top (10 of 20 cases, 4 unknown)" in checked.out
    done = run_wardround("fit", path, "--manifest", manifest, "--out", tmp_path / "run", "--device", "cpu")
    assert done.code == 0, done.err
    page = (tmp_path / "run" / "fold-0" / "report.html").read_text()
    assert all(word in page for word in ("sensitivity", "false alarms", "of which it is known"))
