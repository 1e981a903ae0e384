"""Each problem of predicting and scoring names its case and what of it is at fault; the other cases are done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study
from tests.support.commands import Outcome, run_wardround
from tests.support.images import write_table
from wardround.engine.basics.dicom import Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.models import load_model, write_study, write_weights
from wardround.engine.imaging import Image, read_image, read_label, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing import cases
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights

CASES = 5


class Place:
    """A folder with a study, its table and images, a model, and predictions that are all as they should be."""

    def __init__(self, folder: Path, study: Study) -> None:
        self.folder, self.manifest, self.study = folder, folder / "data" / "data.csv", study

    def image(self, number: int) -> Path:
        return self.folder / "data" / "images" / f"case_{number:03d}.png"

    def truth(self, number: int) -> Path:
        return self.folder / "data" / "labels" / f"case_{number:03d}.png"

    def prediction(self, number: int) -> Path:
        return self.folder / "predictions" / f"case_{number:03d}.png"

    def predict(self, *options: str) -> Outcome:
        out = ("--out", self.folder / "out", "--device", "cpu")
        return run_wardround("predict", self.folder / "model", *(options or ("--manifest", self.manifest)), *out)

    def score(self, of: str = "predictions", *options: str) -> Outcome:
        study = ("evaluate", self.folder / "study.yaml", "--manifest", self.manifest)
        return run_wardround(*study, f"--{of}", self.folder / of, *options)


def _model(folder: Path, study: Study) -> None:
    write_study(folder / "model" / "study.yaml", study)
    weights = copy_weights(build_task(study).network())
    write_weights(folder / "model" / "model.safetensors", study, weights, 0)
    write_study(folder / "study.yaml", study)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    flat_cohort(folder / "data", cases=CASES)
    shutil.copytree(folder / "data" / "labels", folder / "predictions")
    _model(folder, flat_study())
    return folder


@pytest.fixture
def place(sound: Path, tmp_path: Path) -> Place:
    return Place(shutil.copytree(sound, tmp_path / "place"), flat_study())


def problems(outcome: Outcome) -> list[str]:
    """What was told, one text each; it must have been bad input and no traceback."""
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    return outcome.err.split("error: ")[1:]


def damage(path: Path) -> None:
    """Cut a file short: its header stays sound."""
    path.write_bytes(path.read_bytes()[:-40])


def grow(path: Path) -> None:
    """Give a mask or an image one column more."""
    image = read_image(path)
    data = np.concatenate([image.data, image.data[..., :1]], axis=-1).astype(np.uint8)
    write_image(path, Image(data, plain_geometry(data.shape[1:])))


def give_value(path: Path, value: int) -> None:
    """Give one voxel of a mask another value."""
    mask, grid = read_label(path)
    mask[0, 0] = value
    write_label(path, mask, grid)


def test_predicting_does_all_but_the_faulty_cases_and_names_these(place: Place) -> None:
    damage(place.image(1))
    write_image(place.image(2), Image(np.full((1, 24, 28), 7, np.uint8), plain_geometry((24, 28))))
    place.image(3).write_bytes(b"no picture")
    told = problems(place.predict("--folder", str(place.folder / "data" / "images")))
    assert len(told) == 2
    of = {f"case_00{number}": next(one for one in told if f"'case_00{number}'" in one) for number in (1, 2, 3)}
    assert "2 times: the image cannot be read" in of["case_001"]
    assert of["case_003"] == of["case_001"]
    step = "preprocessing step z_normalize: a channel without contrast"
    assert f"subject 'case_002', image {place.image(2)}, {step}" in of["case_002"]
    masks = sorted(path.name for path in (place.folder / "out").glob("*.png"))
    assert masks == ["case_000.png", "case_004.png"]


def test_predicting_says_how_many_and_says_it_in_json(place: Place) -> None:
    damage(place.image(1))
    outcome = place.predict()
    assert "4 of 5 cases predicted" in outcome.out
    assert len(problems(outcome)) == 1
    outcome = place.predict("--manifest", str(place.manifest), "--json")
    said = json.loads(outcome.out)
    assert (outcome.code, said["cases"], len(said["files"])) == (2, 4, 4)
    assert "subject 'case_001'" in said["problems"][0]["where"]


def test_predicting_needs_no_truth(place: Place) -> None:
    grow(place.truth(1))
    place.truth(2).write_bytes(b"no mask")
    give_value(place.truth(3), 9)
    assert place.predict().code == 0


def test_where_nothing_can_be_predicted_nothing_is_written(place: Place) -> None:
    for number in range(CASES):
        place.image(number).write_bytes(b"no picture")
    (told,) = problems(place.predict())
    assert told.startswith(f"{CASES} times: the image cannot be read")
    assert all(f"subject 'case_{number:03d}'" in told for number in range(CASES))
    assert not (place.folder / "out").exists()


def test_scoring_tells_whether_truth_prediction_or_image_is_at_fault(place: Place) -> None:
    grow(place.prediction(0))
    give_value(place.prediction(1), 9)
    give_value(place.truth(1), 8)
    place.prediction(2).unlink()
    grow(place.truth(3))
    outcome = place.score("predictions", "--out", str(place.folder / "scores"))
    told = problems(outcome)
    place_of = [problem.partition(": ")[0] for problem in told]
    assert place_of == [
        "data.csv:5, subject 'case_003', truth in Label",
        f"data.csv:2, subject 'case_000', prediction {place.prediction(0)}",
        f"data.csv:3, subject 'case_001', prediction {place.prediction(1)}",
        f"data.csv:3, subject 'case_001', truth {place.truth(1)}",
        f"data.csv:4, subject 'case_002', prediction {place.prediction(2)}",
    ]
    assert "the prediction does not lie on the grid of the image case_000.png" in told[1]
    assert "the prediction has values outside the study's classes (got 9" in told[2]
    assert "the truth has values outside the study's classes (got 8" in told[3]
    assert "there is no prediction for this case" in told[4]
    assert "4 of 5 cases could not be scored and are not in the means" in outcome.out
    assert "case_004        1.0000" in outcome.out
    assert "4 more could not be scored" in (place.folder / "scores" / "report.html").read_text()
    assert len((place.folder / "scores" / "cases.csv").read_text().splitlines()) == 2


def test_scoring_a_model_names_the_case_and_what_is_at_fault(place: Place) -> None:
    write_image(place.image(0), Image(np.full((1, 24, 28), 7, np.uint8), plain_geometry((24, 28))))
    damage(place.truth(1))
    for number in (2, 3):
        give_value(place.truth(number), 9)
    outcome = place.score("model", "--device", "cpu")
    told = sorted(problems(outcome))
    assert "data.csv: in 2 cases the truth has values outside the study's classes" in told[0]
    assert "got 9 in 2 cases ('case_002', 'case_003')" in told[0]
    assert any("subject 'case_001', truth" in one for one in told)
    faulty = f"data.csv:2, subject 'case_000', image {place.image(0)}, preprocessing step z_normalize"
    assert any(faulty in one for one in told)
    assert "(n = 1)" in outcome.out


def test_scores_and_problems_are_one_object_in_json(place: Place) -> None:
    damage(place.prediction(1))
    outcome = place.score("predictions", "--json")
    said = json.loads(outcome.out)
    assert (outcome.code, len(said["cases"]), said["summary"]["dice"]["count"]) == (2, 4, 4)
    assert [problem["what"] for problem in said["problems"]] == ["the prediction cannot be read"]


def test_the_others_are_scored_where_a_subject_cannot_name_a_file(place: Place) -> None:
    place.manifest.write_text(place.manifest.read_text().replace("case_001,", "2024/01/05,", 1))
    outcome = place.score()
    (told,) = problems(outcome)
    assert "data.csv:3, subject '2024/01/05', SubjectID: this SubjectID cannot name a file" in told
    assert "Write 2024-01-05." in told
    assert "case_000        1.0000" in outcome.out
    assert "1 of 5 cases could not be scored" in outcome.out


def test_where_no_subject_can_name_a_file_each_is_told(place: Place) -> None:
    place.manifest.write_text(place.manifest.read_text().replace("\ncase_", "\nday/"))
    (told,) = problems(place.score())
    assert "5 times: this SubjectID cannot name a file" in told


def test_a_prediction_under_another_ending_is_found(place: Place) -> None:
    place.prediction(1).rename(place.prediction(1).with_suffix(".bmp"))
    (told,) = problems(place.score())
    assert "got case_001.bmp; expected case_001.png" in told


def test_a_prediction_whose_number_has_its_zeros_is_named(place: Place) -> None:
    place.prediction(1).rename(place.folder / "predictions" / "007.png")
    place.manifest.write_text(place.manifest.read_text().replace("case_001,", "7,", 1))
    (told,) = problems(place.score())
    assert "got 007.png; expected 7.png" in told
    assert "has lost its zeros" in told


def test_a_folder_without_predictions_is_told_for_every_case(place: Place) -> None:
    shutil.rmtree(place.folder / "predictions")
    (told,) = problems(place.score())
    assert "there is no such folder" in told
    (place.folder / "predictions").mkdir()
    (told,) = problems(place.score())
    assert f"predictions: it holds a prediction of none of the {CASES} cases (got nothing in it; expected " in told
    assert "case_000.png and so on" in told
    for number in range(CASES):
        (place.folder / "predictions" / f"img{number}.png").touch()
    (told,) = problems(place.score())
    assert "got img0.png, img1.png, img2.png and 2 more" in told
    assert "Name the folder that `wardround predict --manifest` wrote" in told


def test_a_file_that_the_system_does_not_give_is_a_problem_of_its_case(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(source: cases.Source, dicom: Dicom) -> Image:
        if source.path == place.image(1):
            raise PermissionError(13, "Permission denied", str(source.path))
        return read_image(source, dicom)

    monkeypatch.setattr(cases, "read_image", read)
    (told,) = problems(place.predict())
    assert "data.csv:3, subject 'case_001', image" in told
    assert "the file cannot be read (got Permission denied)" in told
    assert len(list((place.folder / "out").glob("*.png"))) == 4


def test_a_table_of_predictions_is_scored_but_for_its_faulty_rows(tmp_path: Path) -> None:
    halves_cohort(tmp_path / "data", cases=5)
    write_study(tmp_path / "study.yaml", halves_study())
    rows = [(f"picture_{number:03d}", "two" if number == 2 else 0.5, 0.5) for number in (0, 2, 3, 4)]
    header = ("SubjectID", "Probability_left", "Probability_right")
    write_table(tmp_path / "predictions" / "predictions.csv", header, rows)
    outcome = Place(tmp_path, halves_study()).score()
    told = problems(outcome)
    assert "data.csv:3, subject 'picture_001', prediction in predictions.csv: the table has no prediction" in told[0]
    assert "data.csv:4, subject 'picture_002', prediction in predictions.csv: these are not probabilities" in told[1]
    assert "(n = 3)" in outcome.out
    assert "2 of 5 cases could not be scored" in outcome.out


def test_a_study_that_is_not_the_models_is_told_in_full(sound: Path) -> None:
    model = load_model(sound / "model", device="cpu")
    other = flat_study(inputs=["T1"], classes={"blob": [1, 2]})
    with pytest.raises(InputError) as caught:
        model_predictor(other, model)
    said = str(caught.value)
    assert "the model has other inputs (got [T1]; expected [grey], as the model's own study.yaml says)" in said
    assert "the model has other classes (got {blob: [1, 2]}; expected {blob: 1}" in said
    assert "Give the study that the model was trained with" in said


def test_the_truth_is_read_as_the_study_says_and_not_as_the_model_was_trained(place: Place) -> None:
    give_value(place.truth(1), 9)
    study = flat_study(rest="background")
    cohort = read_manifest(place.manifest, study, truth=Truth.REQUIRED)
    cohort = replace(cohort, cases=cohort.cases[1:2])
    model = load_model(place.folder / "model", device="cpu")
    assert len(evaluate_cohort(study, cohort, model_predictor(study, model)).cases) == 1


def test_classes_of_several_values_are_written_with_the_first_and_scored_with_all(place: Place) -> None:
    study = flat_study(classes={"blob": [3, 1]})
    _model(place.folder, study)
    assert place.predict().code == 0
    for number in range(CASES):
        found = set(np.unique(read_label(place.folder / "out" / f"case_{number:03d}.png")[0]).tolist())
        assert found <= {0, 3}
    mask, grid = read_label(place.prediction(0))
    write_label(place.prediction(0), mask * 3, grid)
    cohort = read_manifest(place.manifest, study, truth=Truth.REQUIRED)
    cohort = replace(cohort, cases=cohort.cases[:2])
    evaluation = evaluate_cohort(study, cohort, folder_predictor(study, cohort, place.folder / "predictions"))
    assert [case.scores["dice"] for case in evaluation.cases] == [1.0, 1.0]


def test_a_study_that_is_not_the_models_is_told_with_its_line_before_any_case(place: Place) -> None:
    write_study(place.folder / "study.yaml", flat_study(inputs=["T1"], classes={"blob": [1, 2]}))
    text = (place.folder / "study.yaml").read_text().splitlines()
    outcome = place.score("model")
    for key, told in zip(("inputs", "classes"), problems(outcome), strict=True):
        (line,) = [number for number, line in enumerate(text, start=1) if line.startswith(f"{key}:")]
        assert f"study.yaml:{line}, {key}: the model has other {key}" in told
    assert "note:" not in outcome.err
