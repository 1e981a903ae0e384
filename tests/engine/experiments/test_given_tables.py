"""Tables as what a network is given, alone and beside images: fitted to training cases, predicted, scored, told."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from tests.engine.experiments.test_regression import glow_study
from tests.support.commands import run_wardround
from tests.support.images import write_table
from tests.support.studies import TABLE, changed, study_of, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments import Folds, Survey, Workbench, fit, load_model
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.prediction import write_predictions
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.networks.tabular import FusedNetwork
from wardround.engine.study import Study

CASES = 60


def table_study(**changes: Any) -> Study:
    """Who is older, or has the mark, is rather ill."""
    columns = {"age": "number", "chol": {"missing": "mean"}, "mark": {"levels": ["a", "b"], "missing": "unknown"}}
    training = {
        "loss": "cross_entropy",
        "optimizer": {"name": "adamw", "learning_rate": 0.05, "weight_decay": 0.0},
        "steps": 300,
        "batch_size": 16,
    }
    return study_of(changed(TABLE, **({"columns": columns, "training": training} | changes)))


def table_cohort(folder: Path, seed: int = 0) -> Path:
    """A table with missing cells; some rows say the same as others."""
    random, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True)
    for number in range(CASES):
        ill, age = number % 2, 50 + 8 * (number % 2) + random.normal(0, 8)
        mark = "" if number % 9 == 0 else "ab"[int(random.random() < 0.3 + 0.4 * ill)]
        rows.append(
            (f"case-{number:02d}", ill, f"{age:.0f}", "?" if number % 7 == 0 else random.integers(150, 300), mark)
        )
    rows.append(("case-99", *rows[1][1:]))
    return write_table(folder / "data.csv", ("SubjectID", "ValueToPredict", "age", "chol", "mark"), rows)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    """A table that is ready to learn from."""
    folder = tmp_path_factory.mktemp("table")
    manifest = table_cohort(folder / "data")
    return Workbench.open(table_study(), manifest, folder / "work", device="cpu", threads=1)


def test_nothing_of_a_table_is_stored_and_no_row_is_taken_for_another(bench: Workbench) -> None:
    assert not [*bench.store.root.glob("cases/*")]
    assert not bench.notices
    assert len(bench.train_cases) + len(bench.validation_cases) + len(bench.test_cases) == CASES + 1


def test_scales_are_those_of_the_training_cases_alone(bench: Workbench) -> None:
    with bench.cohort.manifest.open(newline="") as handle:
        rows = {row["SubjectID"]: row for row in csv.DictReader(handle)}
    known = [[rows[case.subject][name] for case in bench.split.train] for name in ("age", "chol")]
    for scale, cells in zip(bench.state.columns, known, strict=True):
        numbers = [float(cell) for cell in cells if cell != "?"]
        assert (scale.mean, scale.deviation) == pytest.approx((np.mean(numbers), np.std(numbers)))


def test_a_linear_network_learns_logistic_regression(bench: Workbench, tmp_path: Path) -> None:
    """Of all training cases in each step, to the minimum that scikit-learn finds."""
    training = bench.study.training.model_copy(update={"batch_size": len(bench.train_cases)})
    study = bench.study.model_copy(update={"training": training})
    whole = Workbench.open(study, bench.cohort.manifest, tmp_path, device="cpu", threads=1)
    learner, source = whole.learner(600), whole.source()
    learner.train(source, 0, 600)
    table = source.batch(0).table
    assert table is not None
    features = learner.task._encoder(table)
    labels = source.batch(0).truth["category"].numpy()
    reference = LogisticRegression(C=1e6, max_iter=10_000).fit(features.numpy(), labels)
    with torch.no_grad():
        found = learner.task.logits(learner.network, source.batch(0).image, table).softmax(1)[:, 1].numpy()
    np.testing.assert_allclose(found, reference.predict_proba(features.numpy())[:, 1], atol=0.01)


def test_what_is_written_is_read_and_scored_as_the_model_is(bench: Workbench, tmp_path: Path) -> None:
    result = fit(bench, tmp_path / "run")
    model, manifest = load_model(result.model, device="cpu"), bench.cohort.manifest
    assert model.state == bench.state
    written = write_predictions(model, read_manifest(manifest, bench.study, truth=Truth.UNREAD), tmp_path / "out")
    assert written.cases == CASES + 1
    cohort = read_manifest(manifest, bench.study, truth=Truth.REQUIRED)
    of_model = evaluate_cohort(bench.study, cohort, model_predictor(bench.study, model))
    of_table = evaluate_cohort(bench.study, cohort, folder_predictor(bench.study, cohort, tmp_path / "out"))
    assert of_table.summary["accuracy"] == of_model.summary["accuracy"]
    assert of_model.summary["auc"].value > 0.7


def test_a_column_without_a_number_in_the_training_cases_is_told(tmp_path: Path) -> None:
    manifest = table_cohort(tmp_path / "data")
    lines = manifest.read_text().splitlines()
    cells = [line.split(",") for line in lines[1:]]
    manifest.write_text("\n".join([lines[0], *(",".join([*row[:3], "", row[4]]) for row in cells)]))
    with pytest.raises(InputError, match="no training case has a number in 'chol'"):
        Workbench.open(table_study(), manifest, tmp_path / "work", device="cpu", threads=1)


def test_the_commands_work_throughout_for_every_fold(tmp_path: Path) -> None:
    manifest = table_cohort(tmp_path / "data")
    study = table_study(model={"name": "dense", "hidden": [8]}, training={"loss": "cross_entropy", "steps": 4})
    path = write_study(tmp_path / "study.yaml", study.model_dump(mode="json", by_alias=True))
    checked = _run("check", path, "--full", "--manifest", manifest)
    assert "columns  age " in checked
    assert ", 9 missing; mark (a " in checked
    assert "images" not in checked.partition("note:")[0]
    _run("fit", path, "--manifest", manifest, "--out", tmp_path / "run", "--folds", "all", "--device", "cpu")
    model = tmp_path / "run" / "fold-0" / "model"
    _run("predict", model, "--manifest", manifest, "--out", tmp_path / "out", "--device", "cpu")
    _run("evaluate", path, "--manifest", manifest, "--predictions", tmp_path / "out", "--out", tmp_path / "scores")
    assert "Cases to look at" not in (tmp_path / "scores" / "report.html").read_text()
    for words in (
        ("preview", path, "--manifest", manifest, "--out", tmp_path / "a.png"),
        ("export", model, "--out", tmp_path / "given"),
        ("explain", model, "--manifest", manifest, "--out", tmp_path / "explained", "--device", "cpu"),
    ):
        refused = run_wardround(*words)
        assert refused.code == 2, refused.err
        assert "Traceback" not in refused.err


def _run(*words: object) -> str:
    outcome = run_wardround(*words)
    assert outcome.code == 0, outcome.err
    return outcome.out


def fused_cohort(folder: Path) -> Path:
    """Pictures that tell one half of the truth, beside a column that tells the other."""
    random, rows = np.random.default_rng(0), []
    folder.mkdir(parents=True)
    for number in range(32):
        wide, old = number % 2, number // 2 % 2
        pixels = random.normal(60, 5, (16, 16))
        pixels[:, : 3 + 9 * wide] += 120
        picture = Image(pixels.clip(0, 255).astype(np.uint8)[None], plain_geometry((16, 16)))
        write_image(folder / f"{number}.png", picture)
        rows.append((f"case-{number:02d}", f"{number}.png", wide + old, 40 + 30 * old))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict", "age"), rows)


def test_a_table_joins_what_a_network_sees_of_an_image(tmp_path: Path) -> None:
    training = {"loss": "mse", "optimizer": {"name": "adamw", "learning_rate": 0.01}, "batch_size": 8, "steps": 60}
    study, run = glow_study(columns={"age": "number"}, training=training), tmp_path / "run"
    manifest = fused_cohort(tmp_path / "data")
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu", threads=1)
    learner = bench.learner(60)
    learner.train(bench.source(), 0, 60)
    r2 = bench.evaluate(learner, "train").summary["r2"].value
    assert r2 > 0.75, "neither the picture nor the column alone tells more than half"
    result = fit(replace(bench, study=glow_study(columns={"age": "number"}, training={"loss": "mse", "steps": 2})), run)
    model = load_model(result.model, device="cpu")
    assert isinstance(model.network, FusedNetwork)
    written = write_predictions(model, read_manifest(manifest, study, truth=Truth.UNREAD), tmp_path / "out")
    assert written.cases == 32


def test_the_same_image_beside_other_columns_is_no_repetition_but_a_leak(tmp_path: Path) -> None:
    study = glow_study(columns={"age": "number"})
    manifest = fused_cohort(tmp_path / "data")
    lines = manifest.read_text().splitlines()
    lines[2] = lines[2].replace("1.png", "0.png")
    manifest.write_text("\n".join(lines))
    with pytest.raises(InputError, match="the same image"):
        Survey.of(study, manifest, folds=Folds.ALL, device="cpu")
