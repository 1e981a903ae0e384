"""A task is a part: a package adds one with a kind of truth of its own, and a study that names it works throughout."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.engine.experiments.cohorts import halves_cohort, halves_study
from tests.support import grading_parts
from tests.support.studies import CLASSIFICATION, REGRESSION, changed, write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments import Workbench, fit, load_model, write_predictions
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study import load_study, study_from_bytes, study_to_bytes
from wardround.engine.targets import target_of
from wardround.engine.tasks import build_task

GRADES = {"good": 0, "poor": 1}


@pytest.fixture
def graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A table with letters, in an installation that has the package."""
    grading_parts.install(tmp_path / "site", monkeypatch)
    manifest = halves_cohort(tmp_path / "data")
    with manifest.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    with manifest.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows(row | {"ValueToPredict": grading_parts.LETTERS[int(row["ValueToPredict"])]} for row in rows)
    yield manifest
    monkeypatch.undo()
    builtin_and_plugins.cache_clear()


def test_a_study_of_an_installed_task_trains_and_predicts(graded: Path, tmp_path: Path) -> None:
    study = halves_study(task="grading", classes=GRADES)
    assert study_from_bytes(study_to_bytes(study)) == study
    bench = Workbench.open(study, graded, tmp_path / "work", device="cpu")
    assert {case.target for case in bench.stored.values()} == {0, 1}
    result = fit(bench, tmp_path / "run")
    assert 0 <= result.metrics.validation.values["accuracy"] <= 1
    cohort = read_manifest(graded, study, truth=Truth.OPTIONAL)
    written = write_predictions(load_model(result.model, device="cpu"), cohort, tmp_path / "out")
    lines = written.files[0].read_text().splitlines()
    assert lines[0] == "SubjectID,Prediction,Class,Probability_good,Probability_poor"
    assert len(lines) == 1 + len(cohort.cases)


def test_its_own_reading_of_cells_finds_its_own_faults(graded: Path) -> None:
    text = graded.read_text()
    graded.write_text(text.replace(",A", ",F", 1))
    with pytest.raises(InputError, match=r"data\.csv:\d+.*not one of the study's classes"):
        read_manifest(graded, halves_study(task="grading", classes=GRADES), truth=Truth.REQUIRED)


def test_what_is_no_task_or_no_kind_of_truth_is_told_of_its_package(graded: Path) -> None:
    with pytest.raises(InputError, match=r"my-grades 1\.2.*"):
        build_task(halves_study(task="guessing", classes=GRADES))
    study = halves_study()
    with pytest.raises(InputError, match=r"my-grades 1\.2.*") as caught:
        target_of(study.model_copy(update={"task": "knowing"}))
    assert "derives from Target" in caught.value.problems[0].expected


def test_parts_of_the_tasks_that_it_names_serve_it_and_others_do_not(graded: Path) -> None:
    with pytest.raises(ValidationError, match="serves segmentation only"):
        halves_study(task="grading", classes=GRADES, training={"loss": "dice_ce", "steps": 1})


def test_a_task_that_is_not_installed_is_told_with_the_likely_one(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml", changed(CLASSIFICATION, task="clasification"))
    with pytest.raises(InputError) as caught:
        load_study(path)
    (problem,) = caught.value.problems
    assert problem.what == "unknown task 'clasification'"
    assert problem.where.endswith(", task")
    assert "classification" in problem.remedy
    assert {part.name for part in builtin_and_plugins().parts(Kind.TASK)} >= {"segmentation", "classification"}


def test_a_misspelt_regression_is_not_asked_for_classes(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml", changed(REGRESSION, task="regresion"))
    with pytest.raises(InputError) as caught:
        load_study(path)
    (problem,) = caught.value.problems
    assert problem.what == "unknown task 'regresion'"


def test_who_names_no_known_task_at_all_is_asked_for_classes_as_most_are(tmp_path: Path) -> None:
    path = write_study(tmp_path / "study.yaml", changed(REGRESSION, task="survival of the patient"))
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert {problem.what for problem in caught.value.problems} >= {"unknown task 'survival of the patient'"}
    assert any(problem.where.endswith("classes") for problem in caught.value.problems)


@pytest.mark.parametrize("task", [["regression"], 5, None])
def test_a_task_that_is_no_word_asks_for_no_classes(tmp_path: Path, task: object) -> None:
    path = write_study(tmp_path / "study.yaml", changed(REGRESSION, task=task))
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert [problem.where.rpartition(" ")[2] for problem in caught.value.problems] == ["task"]


@pytest.mark.parametrize("classes", [[], ["a", "b"], None, "none"])
def test_classes_of_a_regression_are_told_as_such_however_they_are_written(tmp_path: Path, classes: object) -> None:
    path = write_study(tmp_path / "study.yaml", {**REGRESSION, "classes": classes})
    with pytest.raises(InputError) as caught:
        load_study(path)
    (problem,) = caught.value.problems
    assert problem.what == "a regression has no classes"
    assert problem.remedy == "Take the line out"
