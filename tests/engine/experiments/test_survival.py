"""Survival from pictures to a page: a partial likelihood over batches, an order of risks, curves of two halves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

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
from wardround.engine.report.survival import kaplan_meier
from wardround.engine.study import Study

CASES = 30


def outcome_study(**changes: Any) -> Study:
    """Who is brighter has the event earlier."""
    settings: dict[str, Any] = {
        "study": "outcome",
        "task": "survival",
        "training": {
            "loss": "cox",
            "optimizer": {"name": "adamw", "learning_rate": 0.01},
            "batch_size": 10,
            "steps": 30,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["c_index"], "select": "c_index"},
    }
    return glow_study(**(settings | changes))


def outcome_cohort(folder: Path, seed: int = 0) -> Path:
    """Pictures whose bright part is the wider the earlier the event; every third is last seen without it."""
    random, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True)
    for number in range(CASES):
        width = int(random.integers(1, 15))
        pixels = random.normal(60, 5, (16, 16))
        pixels[:, :width] += 120
        picture = Image(pixels.clip(0, 255).astype(np.uint8)[None], plain_geometry((16, 16)))
        write_image(folder / f"{number}.png", picture)
        rows.append((f"case-{number:02d}", f"{number}.png", 1000 - 50 * width, int(number % 3 > 0)))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Time", "Event"), rows)


def test_it_learns_the_order_and_scores_what_it_writes(tmp_path: Path) -> None:
    study, manifest = outcome_study(), outcome_cohort(tmp_path / "data")
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    result = fit(bench, tmp_path / "run")
    assert result.metrics.test is not None
    assert result.metrics.test.values["c_index"] > 0.85
    assert result.metrics.test.values["loss"] < np.log(result.metrics.test.cases), "less than of equal risks"
    model = load_model(result.model, device="cpu")
    written = write_predictions(model, read_manifest(manifest, study, truth=Truth.UNREAD), tmp_path / "out")
    assert written.files[0].read_text().splitlines()[0] == "SubjectID,Prediction_risk"
    cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
    of_model = evaluate_cohort(study, cohort, model_predictor(study, model))
    assert of_model == evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))


def test_the_loss_of_a_validation_is_that_of_its_cases_together(tmp_path: Path) -> None:
    study, manifest = outcome_study(), outcome_cohort(tmp_path / "data")
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    learner = bench.learner(2)
    loss = bench.evaluate(learner, "validation").summary["loss"]
    cases = bench.validation_cases
    assert loss.count == len(cases)
    at_risk = [sum(other.numbers[0] >= case.numbers[0] for other in cases) for case in cases if case.numbers[1]]
    assert loss.value == pytest.approx(np.mean(np.log(at_risk)), abs=0.5), "a fresh network tells nobody apart"


def test_the_commands_count_events_and_draw_two_curves(tmp_path: Path) -> None:
    manifest = outcome_cohort(tmp_path / "data")
    study = outcome_study(training={"loss": {"name": "cox", "ties": "breslow"}, "steps": 2, "batch_size": 8})
    path = write_study(tmp_path / "study.yaml", study.model_dump(mode="json", by_alias=True, exclude={"classes"}))
    checked = run_wardround("check", path, "--manifest", manifest)
    assert checked.code == 0, checked.err
    assert "survival 20 events in 30 cases, Time 300 to 950" in checked.out
    done = run_wardround("fit", path, "--manifest", manifest, "--out", tmp_path / "run", "--device", "cpu")
    assert done.code == 0, done.err
    assert "without the event" in (tmp_path / "run" / "fold-0" / "report.html").read_text()


def test_kaplan_meier_leaves_out_who_was_last_seen_earlier() -> None:
    times, events = np.array([1.0, 2.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False, True])
    at, left = kaplan_meier(times, events)
    assert at.tolist() == [0, 1, 2, 4]
    np.testing.assert_allclose(left, [1, 0.8, 0.8 * 0.75, 0])
