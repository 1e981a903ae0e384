"""A regression from files to its page: fitted, predicted, scored, in the unit of the table whatever that is."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.engine.experiments.cohorts import flat_study
from tests.support.checkout import CHECKOUT
from tests.support.commands import run_wardround
from tests.support.images import write_table
from tests.support.shared_data import shared_data
from tests.support.studies import write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Folds, Truth, read_manifest
from wardround.engine.experiments import Survey, Workbench, fit, load_model
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.prediction import write_predictions
from wardround.engine.imaging import Image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.study import Study, load_study

CASES = 24


def glow_study(**changes: Any) -> Study:
    """A 2D regression: how bright a picture is."""
    settings: dict[str, Any] = {
        "study": "glow",
        "task": "regression",
        "preprocessing": ["rescale"],
        "augmentation": [],
        "patches": {"size": [16, 16], "per_case": 1},
        "model": {"name": "resnet", "dimensions": 2, "depth": 10, "filters": 8, "stem": "small", "norm": "group"},
        "training": {
            "loss": "mse",
            "optimizer": {"name": "adamw", "learning_rate": 0.01},
            "batch_size": 8,
            "steps": 40,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["mae", "pearson", "r2"], "select": "mae"},
    }
    content = flat_study().model_dump(mode="json", by_alias=True) | settings | changes
    del content["classes"]
    return Study.model_validate(content)


def glow_cohort(folder: Path, factor: float = 1000.0, column: str = "ValueToPredict", seed: int = 0) -> Path:
    """Pictures whose bright part is as wide as their number says; numbers are far from zero, in any unit."""
    random, rows = np.random.default_rng(seed), []
    folder.mkdir(parents=True)
    for number in range(CASES):
        width = int(random.integers(2, 15))
        pixels = random.normal(60, 5, (16, 16))
        pixels[:, :width] += 120
        write_image(
            folder / f"{number}.png", Image(pixels.clip(0, 255).astype(np.uint8)[None], plain_geometry((16, 16)))
        )
        rows.append((f"glow-{number}", f"{number}.png", repr(factor * (50 + width))))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", column), rows)


def glow_cohort_of(folder: Path, seed: int) -> Path:
    """That of one of several hospitals."""
    return glow_cohort(folder, seed=seed)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Workbench, RunResult]:
    """A folder with a manifest, and a run that has learned it."""
    folder = tmp_path_factory.mktemp("glow")
    manifest = glow_cohort(folder / "data")
    bench = Workbench.open(glow_study(), manifest, folder / "work", device="cpu", threads=1)
    return manifest, bench, fit(bench, folder / "run")


def _numbers(manifest: Path, column: str = "ValueToPredict") -> dict[str, float]:
    with manifest.open(newline="") as handle:
        return {row["SubjectID"]: float(row[column]) for row in csv.DictReader(handle)}


def test_the_scale_is_that_of_the_training_cases_alone(fitted: tuple[Path, Workbench, RunResult]) -> None:
    manifest, bench, result = fitted
    known = _numbers(manifest)
    training = np.array([known[case.subject] for case in bench.split.train])
    (scale,) = bench.state.truth
    assert scale.mean == pytest.approx(training.mean())
    assert scale.deviation == pytest.approx(training.std())
    assert load_model(result.model, device="cpu").state == bench.state


def test_it_learns_in_the_unit_of_the_table(fitted: tuple[Path, Workbench, RunResult]) -> None:
    _, bench, result = fitted
    test = result.metrics.test
    assert test is not None
    (scale,) = bench.state.truth
    assert test.values["mae"] < scale.deviation / 2
    assert test.values["pearson"] > 0.9
    assert 0.5 < test.values["r2"] <= 1
    assert test.values["loss"] < 0.5, "the loss is in units of the spread"


def test_the_unit_of_the_table_changes_nothing_but_the_unit(
    fitted: tuple[Path, Workbench, RunResult], tmp_path: Path
) -> None:
    bench = fitted[1]
    manifest = glow_cohort(tmp_path / "data", factor=0.125)
    other = Workbench.open(glow_study(), manifest, tmp_path / "work", device="cpu", threads=1)
    assert [case.subject for case in other.split.train] == [case.subject for case in bench.split.train]
    again = fit(other, tmp_path / "run")
    # Other numbers are other cases, whose patches come in another order: so the two runs are alike, not equal.
    (one,), (two,) = bench.state.truth, other.state.truth
    assert one.mean / two.mean == pytest.approx(8000)
    assert again.metrics.validation.values["mae"] < two.deviation / 2


def test_predictions_are_written_read_and_scored_as_the_model_is(
    fitted: tuple[Path, Workbench, RunResult], tmp_path: Path
) -> None:
    manifest, bench, result = fitted
    model, cohort = load_model(result.model, device="cpu"), read_manifest(manifest, bench.study, truth=Truth.REQUIRED)
    images = read_manifest(manifest, bench.study, truth=Truth.UNREAD)
    written = write_predictions(model, images, tmp_path / "out")
    (table,) = written.files
    lines = table.read_text().splitlines()
    assert lines[0] == "SubjectID,Prediction"
    assert len(lines) == CASES + 1
    of_model = evaluate_cohort(bench.study, cohort, model_predictor(bench.study, model))
    of_table = evaluate_cohort(bench.study, cohort, folder_predictor(bench.study, cohort, tmp_path / "out"))
    assert of_table == of_model
    assert {*of_model.summary} == {"mae", "pearson", "r2"}
    known = _numbers(manifest)
    found = {subject: float(cell) for subject, cell in (line.split(",") for line in lines[1:])}
    expected = np.mean([abs(found[subject] - known[subject]) for subject in known])
    assert of_model.summary["mae"].value == pytest.approx(expected, rel=1e-6)


def _run(*words: object) -> str:
    outcome = run_wardround(*words)
    assert outcome.code == 0, outcome.err
    return outcome.out


def test_the_commands_work_throughout_and_the_page_shows_agreement(tmp_path: Path) -> None:
    manifest = glow_cohort(tmp_path / "data", column="ValueToPredict_width")
    study = glow_study(targets=["width"], training={"loss": "huber", "steps": 4, "batch_size": 4})
    content = study.model_dump(mode="json", by_alias=True, exclude={"classes"})
    path = write_study(tmp_path / "study.yaml", content)
    checked = _run("check", path, "--manifest", manifest)
    assert "numbers  width 52000 to 64000" in checked
    _run("fit", path, "--manifest", manifest, "--out", tmp_path / "run", "--device", "cpu", "--threads", "1")
    page = (tmp_path / "run" / "fold-0" / "report.html").read_text()
    assert "predicted against true" in page
    assert "limits of agreement" in page
    model = tmp_path / "run" / "fold-0" / "model"
    unknown = tmp_path / "data" / "unknown.csv"
    unknown.write_text("".join(f"{line.rpartition(',')[0]},n/a\n" for line in manifest.read_text().splitlines()))
    unknown.write_text(unknown.read_text().replace("n/a", "ValueToPredict_width", 1))
    _run("predict", model, "--manifest", unknown, "--out", tmp_path / "others", "--device", "cpu")
    _run("predict", model, "--manifest", manifest, "--out", tmp_path / "out", "--device", "cpu")
    assert (tmp_path / "out" / "predictions.csv").read_text().startswith("SubjectID,Prediction_width\n")
    _run("evaluate", path, "--manifest", manifest, "--predictions", tmp_path / "out", "--out", tmp_path / "scores")
    assert "predicted against true" in (tmp_path / "scores" / "report.html").read_text()
    _run("preview", path, "--manifest", manifest, "--out", tmp_path / "patches.png", "--count", "4")


def test_a_table_of_one_number_is_refused_before_anything_is_read_twice(tmp_path: Path) -> None:
    manifest = glow_cohort(tmp_path / "data", factor=0.0)
    with pytest.raises(InputError, match="the same number"):
        Survey.of(glow_study(), manifest, folds=Folds.ALL, device="cpu")


def test_a_training_set_of_one_number_is_told_by_check(tmp_path: Path) -> None:
    manifest = glow_cohort(tmp_path / "data")
    lines = manifest.read_text().splitlines()
    cells = [line.rpartition(",")[0] for line in lines[1:]]
    manifest.write_text("\n".join([lines[0], *(f"{each},{5 + (place == 0)}" for place, each in enumerate(cells))]))
    with pytest.raises(InputError) as caught:
        Survey.of(glow_study(), manifest, folds=Folds.ALL, device="cpu")
    places = {problem.where for problem in caught.value.problems}
    assert places
    assert all(place.startswith("data.csv, training set of fold-") for place in places)
    assert all("folds in `validation`" in problem.remedy for problem in caught.value.problems)


@pytest.mark.slow
@pytest.mark.shared_data
def test_nuclei_of_real_micrographs_are_counted(tmp_path: Path) -> None:
    study = load_study(CHECKOUT / "configs" / "nuclei_count" / "study.yaml")
    bench = Workbench.open(
        study, shared_data() / "nuclei" / "confocal_256.csv", tmp_path / "work", device="cpu", threads=1
    )
    found = fit(bench, tmp_path / "run").metrics.test
    assert found is not None
    assert found.values["r2"] > 0.7
    assert found.values["mae"] < 6
