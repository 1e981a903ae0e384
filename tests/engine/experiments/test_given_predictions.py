"""Predictions that a table names: masks under names of their own, classes without probabilities, numbers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study
from tests.support.commands import run_wardround
from tests.support.images import write_table
from tests.support.studies import write_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor
from wardround.engine.study import Study


@pytest.fixture
def masks(tmp_path: Path) -> tuple[Study, Cohort]:
    study = flat_study()
    return study, read_manifest(flat_cohort(tmp_path / "data", cases=3), study, truth=Truth.REQUIRED)


def test_masks_of_a_table_are_scored_as_those_of_a_folder(masks: tuple[Study, Cohort], tmp_path: Path) -> None:
    study, cohort = masks
    folder, rows = tmp_path / "folder", []
    folder.mkdir()
    (tmp_path / "theirs").mkdir()
    for number, case in enumerate(cohort.cases):
        assert case.label is not None
        other = cohort.cases[(number + 1) % 3].label
        assert other is not None
        shutil.copy(other, folder / f"{case.subject}.png")
        shutil.copy(other, tmp_path / "theirs" / f"seg {number}.png")
        rows.append((case.subject, f"theirs/seg {number}.png", "free"))
    table = write_table(tmp_path / "theirs.csv", ("SubjectID", "Prediction", "remark"), rows)
    named = evaluate_cohort(study, cohort, folder_predictor(study, cohort, table))
    assert named == evaluate_cohort(study, cohort, folder_predictor(study, cohort, folder))
    assert 0 < named.summary["dice"].value < 1


def test_a_case_that_the_table_lacks_is_told_and_the_others_are_scored(
    masks: tuple[Study, Cohort], tmp_path: Path
) -> None:
    study, cohort = masks
    rows = [(case.subject, case.label) for case in cohort.cases[:2]]
    table = write_table(tmp_path / "t.csv", ("SubjectID", "Prediction"), rows)
    path = write_study(tmp_path / "study.yaml", study.model_dump(mode="json", by_alias=True))
    done = run_wardround("evaluate", path, "--manifest", cohort.manifest, "--predictions", table, "--json")
    assert done.code == 2
    assert done.json["summary"]["dice"]["value"] == 1
    assert done.json["summary"]["dice"]["count"] == 2
    (problem,) = done.json["problems"]
    assert "no prediction for this case" in problem["what"]
    assert "case_002" in problem["where"]


@pytest.mark.parametrize(
    ("header", "rows", "told"),
    [
        (("SubjectID", "Mask"), [("case_000", "x.png")], "the column 'Prediction' is missing"),
        (("ID", "Path"), [("case_000", "x.png")], "the column 'SubjectID' is missing"),
        (("SubjectID", "Prediction"), [("case_000", "x.png"), ("case_000", "y.png")], "stands on line 2 already"),
        (("SubjectID", "Prediction"), [("case_000", "x.png")], "there is no such file"),
        (("SubjectID", "Prediction"), [("other", "x.png")], "no prediction for this case"),
    ],
)
def test_a_table_that_names_no_masks_is_told(
    masks: tuple[Study, Cohort], tmp_path: Path, header: tuple[str, ...], rows: list[tuple[str, str]], told: str
) -> None:
    study, cohort = masks
    with pytest.raises(InputError, match=told):
        folder_predictor(study, cohort, write_table(tmp_path / "t.csv", header, rows))


def test_classes_without_probabilities_are_taken_for_certain(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = halves_study()
    cohort = read_manifest(halves_cohort(tmp_path, cases=8), study, truth=Truth.REQUIRED)
    answers = [(case.subject, "right" if number < 2 else case.value) for number, case in enumerate(cohort.cases)]
    table = write_table(tmp_path / "theirs.csv", ("SubjectID", "Prediction"), answers)
    found = evaluate_cohort(study, cohort, folder_predictor(study, cohort, table))
    assert found.summary["accuracy"].value == 7 / 8  # case 0 is left, case 1 is right
    assert found.summary["auc"].value == pytest.approx(7 / 8)
    assert "taken for certain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("picture_000", "upper")], "not one of the study's classes"),
        ([("picture_000", "")], "not one of the study's classes"),
        ([("picture_000", "left"), ("picture_000", "right")], "several predictions for a case"),
    ],
)
def test_answers_that_are_none_are_told(tmp_path: Path, rows: list[tuple[str, str]], told: str) -> None:
    study = halves_study()
    cohort = read_manifest(halves_cohort(tmp_path, cases=2), study, truth=Truth.REQUIRED)
    with pytest.raises(InputError, match=told):
        folder_predictor(study, cohort, write_table(tmp_path / "t.csv", ("SubjectID", "Prediction"), rows))
