"""Predictions lie on the grid of their image; perfect ones score 1."""

from __future__ import annotations

import csv
import shutil
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine.experiments.cohorts import (
    flat_cohort,
    flat_study,
    halves_cohort,
    halves_study,
    solid_cohort,
    solid_study,
)
from tests.support.images import write_classification_cohort
from tests.support.studies import CLASSIFICATION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Cohort, Truth, folder_cohort, read_manifest
from wardround.engine.experiments import prediction
from wardround.engine.experiments.combining import native_labels
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.masks import mask_name, unnameable
from wardround.engine.experiments.models import TrainedModel, load_model, write_study, write_weights
from wardround.engine.experiments.prediction import predict_case, write_predictions
from wardround.engine.experiments.results import CasePrediction
from wardround.engine.experiments.tables import TABLE
from wardround.engine.imaging import geometry_differences, read_header, read_label
from wardround.engine.imaging.image import Geometry
from wardround.engine.inference.volumes import HeldVolumes
from wardround.engine.preprocessing import Sample, read_sample
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights


def _model(study: Study, folder: Path) -> TrainedModel:
    """A model folder with the study's initial weights."""
    write_study(folder / "study.yaml", study)
    write_weights(folder / "model.safetensors", study, copy_weights(build_task(study).network()), 0)
    return load_model(folder, device="cpu")


@pytest.fixture(scope="module")
def solid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return solid_cohort(tmp_path_factory.mktemp("solid"), cases=2)


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return flat_cohort(tmp_path_factory.mktemp("flat"), cases=3)


def test_a_table_of_many_images_holds_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(CLASSIFICATION)
    model = _model(study, tmp_path / "model")
    cohort = read_manifest(write_classification_cohort(tmp_path / "data", cases=6), study, truth=Truth.OPTIONAL)
    images: list[weakref.ref[Sample]] = []

    def watched(model: TrainedModel, case: Case, **more: Any) -> CasePrediction:
        assert sum(image() is not None for image in images) <= 1
        predicted = predict_case(model, case, **more)
        images.append(weakref.ref(predicted.sample))
        return predicted

    monkeypatch.setattr(prediction, "predict_case", watched)
    written = write_predictions(model, cohort, tmp_path / "out")
    assert written.cases == 6
    assert len(written.files[0].read_text().splitlines()) == 7


def test_masks_lie_on_the_grid_of_their_volume(solid: Path, tmp_path: Path) -> None:
    study = solid_study(classes={"blob": 7})
    cohort = folder_cohort(solid.parent / "images", study)
    written = write_predictions(_model(study, tmp_path / "model"), cohort, tmp_path / "out")
    assert [path.name for path in written.files] == ["case_000.nii.gz", "case_001.nii.gz"]
    assert not written.problems
    for path, case in zip(written.files, cohort.cases, strict=True):
        labels, geometry = read_label(path)
        assert geometry_differences(geometry, read_header(case.channels[0]).geometry) == ()
        assert labels.shape == geometry.shape
        assert set(np.unique(labels)) <= {0, 7}


def test_pictures_give_pictures(flat: Path, tmp_path: Path) -> None:
    study = flat_study()
    written = write_predictions(
        _model(study, tmp_path / "model"), folder_cohort(flat.parent / "images", study), tmp_path
    )
    assert [path.suffix for path in written.files] == [".png"] * 3
    assert read_label(written.files[0])[0].shape == (24, 28)


def test_jpeg_pictures_give_masks_that_keep_their_values(flat: Path) -> None:
    case = folder_cohort(flat.parent / "images", flat_study()).cases[0]
    assert mask_name(replace(case, channels=(Path("case_000.JPG"),))) == "case_000.png"


def test_labels_are_the_most_probable_class_after_resampling() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), (5, 6)).transpose(2, 0, 1).astype(np.float32)
    grid = Geometry((5, 6), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))
    volumes = HeldVolumes(4, (5, 6))
    volumes.put(0, torch.from_numpy(np.ascontiguousarray(np.moveaxis(probabilities, 0, -1))))
    assert np.array_equal(native_labels(volumes, grid, grid), probabilities.argmax(0))


def test_a_damaged_case_is_told_and_the_others_are_written(solid: Path, tmp_path: Path) -> None:
    shutil.copytree(solid.parent / "images", tmp_path / "images")
    damaged = tmp_path / "images" / "case_000.nii.gz"
    damaged.write_bytes(damaged.read_bytes()[:-400])
    study = solid_study()
    written = write_predictions(
        _model(study, tmp_path / "model"), folder_cohort(tmp_path / "images", study), tmp_path / "out"
    )
    assert [path.name for path in written.files] == ["case_001.nii.gz"]
    assert written.cases == 1
    assert "case_000" in written.problems[0].render()


def test_a_classification_gives_a_table(tmp_path: Path) -> None:
    study = halves_study(classes={"left": 0, "right": 5})
    manifest = halves_cohort(tmp_path, cases=4)
    cohort = folder_cohort(manifest.parent / "images", study)
    written = write_predictions(_model(study, tmp_path / "model"), cohort, tmp_path / "out")
    assert [path.name for path in written.files] == [TABLE]
    rows = list(csv.DictReader(written.files[0].open()))
    assert [row["SubjectID"] for row in rows] == [case.subject for case in cohort.cases]
    for row in rows:
        left, right = float(row["Probability_left"]), float(row["Probability_right"])
        assert left + right == pytest.approx(1, abs=1e-5)
        assert (row["Prediction"], row["Class"]) == (("0", "left") if left >= right else ("5", "right"))


def test_subjects_that_cannot_name_a_file_are_all_told(flat: Path) -> None:
    case = folder_cohort(flat.parent / "images", flat_study()).cases[0]
    names = ("a/b", "Same", "same", "..", "fine")
    found = unnameable(Cohort(flat, tuple(replace(case, subject=name) for name in names)))
    assert [*found] == ["a/b", "same", ".."]
    assert "(got 'a/b'; expected a name without / and \\ that does not begin with a dot). Write a-b." in (
        found["a/b"].render()
    )


def test_the_others_are_predicted_where_a_subject_cannot_name_a_file(solid: Path, tmp_path: Path) -> None:
    study = solid_study()
    first, second = folder_cohort(solid.parent / "images", study).cases[:2]
    cohort = Cohort(solid, (replace(first, subject="2024/01/05"), second))
    written = write_predictions(_model(study, tmp_path / "model"), cohort, tmp_path / "out")
    assert [path.name for path in written.files] == ["case_001.nii.gz"]
    assert written.cases == 1
    assert [problem.remedy for problem in written.problems] == ["Write 2024-01-05"]


@pytest.mark.parametrize("kind", ["solid", "flat"])
def test_perfect_predictions_score_one(kind: str, request: pytest.FixtureRequest) -> None:
    manifest: Path = request.getfixturevalue(kind)
    study = {"solid": solid_study(), "flat": flat_study()}[kind]
    cohort = read_manifest(manifest, study, truth=Truth.REQUIRED)
    evaluation = evaluate_cohort(study, cohort, folder_predictor(study, cohort, manifest.parent / "labels"))
    assert {name: score.value for name, score in evaluation.summary.items()} == {
        "dice": 1.0,
        "dice.blob": 1.0,
        "hd95": 0.0,
        "hd95.blob": 0.0,
    }
    assert [case.subject for case in evaluation.cases] == [case.subject for case in cohort.cases]


def test_a_model_scores_as_its_written_masks_do(solid: Path, tmp_path: Path) -> None:
    study = solid_study()
    cohort = read_manifest(solid, study, truth=Truth.REQUIRED)
    model = _model(study, tmp_path / "model")
    write_predictions(model, cohort, tmp_path / "out")
    direct = evaluate_cohort(study, cohort, model_predictor(study, model))
    assert direct == evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))


def test_a_classification_scores_as_its_written_table_does(tmp_path: Path) -> None:
    study = halves_study()
    cohort = read_manifest(halves_cohort(tmp_path, cases=6), study, truth=Truth.REQUIRED)
    model = _model(study, tmp_path / "model")
    write_predictions(model, cohort, tmp_path / "out")
    direct = evaluate_cohort(study, cohort, model_predictor(study, model))
    table = evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))
    assert direct.summary == table.summary
    assert set(direct.summary) == {"accuracy", "auc"}


def test_a_written_table_comes_with_the_images_that_it_is_of(tmp_path: Path) -> None:
    """The page draws them."""
    study = halves_study()
    cohort = read_manifest(halves_cohort(tmp_path, cases=3), study, truth=Truth.REQUIRED)
    write_predictions(_model(study, tmp_path / "model"), cohort, tmp_path / "out")
    read = folder_predictor(study, cohort, tmp_path / "out")
    for case in cohort.cases:
        sample = read(case).sample
        assert sample is not None
        assert np.array_equal(sample.image.data, read_sample(study, case).image.data)


def test_a_folder_with_a_prediction_of_no_case_is_one_problem(solid: Path, tmp_path: Path) -> None:
    cohort = read_manifest(solid, solid_study(), truth=Truth.REQUIRED)
    with pytest.raises(InputError, match="it holds a prediction of none of the") as caught:
        folder_predictor(solid_study(), cohort, tmp_path)
    assert len(caught.value.problems) == 1


def test_a_prediction_on_another_grid_is_refused(solid: Path, tmp_path: Path) -> None:
    other = solid_cohort(tmp_path / "other", cases=2)
    shutil.copytree(other.parent / "labels", tmp_path / "out")
    shutil.copy(solid.parent / "images" / "case_000.nii.gz", tmp_path / "out" / "case_000.nii.gz")
    study = solid_study()
    cohort = read_manifest(solid, study, truth=Truth.REQUIRED)
    with pytest.raises(InputError, match="case_000"):
        evaluate_cohort(study, cohort, folder_predictor(study, cohort, tmp_path / "out"))


@pytest.mark.parametrize("cell", ["", "two", "nan", "1.5"])
def test_a_table_without_probabilities_is_refused(cell: str, tmp_path: Path) -> None:
    study = halves_study()
    cohort = read_manifest(halves_cohort(tmp_path, cases=2), study, truth=Truth.REQUIRED)
    rows = "".join(f"{case.subject},{cell},0.5\n" for case in cohort.cases)
    (tmp_path / TABLE).write_text(f"SubjectID,Probability_left,Probability_right\n{rows}")
    with pytest.raises(InputError, match="probabilities") as caught:
        folder_predictor(study, cohort, tmp_path)
    assert cell != "1.5" or "got [1.5, 0.5]" in str(caught.value)


def test_a_model_of_other_classes_is_refused(tmp_path: Path) -> None:
    model = _model(flat_study(), tmp_path / "model")
    with pytest.raises(InputError, match="other classes"):
        model_predictor(flat_study(classes={"cell": 1}), model)


def test_a_study_that_was_changed_after_training_is_refused(tmp_path: Path) -> None:
    _model(flat_study(), tmp_path / "model")
    path = tmp_path / "model" / "study.yaml"
    path.write_text(path.read_text().replace("seed: 42", "seed: 43"))
    with pytest.raises(InputError, match="do not belong to this study") as caught:
        load_model(tmp_path / "model")
    assert caught.value.problems[0].where == str(tmp_path / "model")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no study.yaml and no model.safetensors"):
        load_model(tmp_path)


@pytest.mark.parametrize("study", [flat_study(), solid_study(), halves_study()])
def test_a_written_study_is_the_same_study(study: Study, tmp_path: Path) -> None:
    from wardround.engine.study import load_study

    write_study(tmp_path / "study.yaml", study)
    assert load_study(tmp_path / "study.yaml").digest == study.digest


def test_predicting_keeps_no_copy_of_an_image(flat: Path, tmp_path: Path) -> None:
    model = _model(flat_study(), tmp_path / "model")
    before = set(tmp_path.rglob("*"))
    predict_case(model, folder_cohort(flat.parent / "images", flat_study()).cases[0])
    assert set(tmp_path.rglob("*")) == before
