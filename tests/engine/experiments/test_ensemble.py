"""Models that predict together: a model with itself is that model, votes and STAPLE are what they are elsewhere."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from tests.engine.experiments.cohorts import flat_cohort, flat_study, solid_cohort, solid_study
from tests.support.images import write_classification_cohort
from tests.support.studies import CLASSIFICATION, REGRESSION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Cohort, Truth, read_manifest
from wardround.engine.experiments.combining import combined_labels, most_probable, staple
from wardround.engine.experiments.ensemble import Combine, Ensemble, model_folders, require_alike
from wardround.engine.experiments.maps import Extras, require_extras
from wardround.engine.experiments.models import TrainedModel, load_model, write_study, write_weights
from wardround.engine.experiments.prediction import predict_case, write_predictions
from wardround.engine.imaging import read_image
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights

BOTH = Extras(probabilities=True, uncertainty=True)


def _folder(study: Study, folder: Path, seed: int = 42) -> Path:
    """A model folder with initial weights of a seed."""
    write_study(folder / "study.yaml", study)
    weights = copy_weights(build_task(study.model_copy(update={"seed": seed})).network())
    write_weights(folder / "model.safetensors", study, weights, 0)
    return folder


def _models(study: Study, place: Path, count: int = 3) -> tuple[TrainedModel, ...]:
    return tuple(load_model(_folder(study, place / str(seed), seed), device="cpu") for seed in range(count))


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[TrainedModel, ...], Cohort]:
    place, study = tmp_path_factory.mktemp("flat"), flat_study()
    cohort = read_manifest(flat_cohort(place / "data", cases=2), study, truth=Truth.OPTIONAL)
    return _models(study, place), cohort


@pytest.fixture(scope="module")
def solid(tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple[TrainedModel, ...], Cohort]:
    """Models on other grids than that of the file, each on its own."""
    place = tmp_path_factory.mktemp("solid")
    studies = [solid_study(preprocessing=["z_normalize", {"resample": {"spacing": [mm] * 3}}]) for mm in (1.5, 2.5)]
    cohort = read_manifest(solid_cohort(place / "data", cases=1), studies[0], truth=Truth.OPTIONAL)
    return tuple(_models(study, place / str(n), 1)[0] for n, study in enumerate(studies)), cohort


def _labels(model: Any, cohort: Cohort) -> np.ndarray:
    labels = predict_case(model, cohort.cases[0]).labels
    assert labels is not None
    return labels


@pytest.mark.parametrize("combine", Combine)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("axes", ["flat", "solid"])
def test_a_model_with_itself_is_that_model(
    combine: Combine, count: int, axes: str, request: pytest.FixtureRequest
) -> None:
    (model, *_), cohort = request.getfixturevalue(axes)
    assert np.array_equal(_labels(Ensemble((model,) * count, combine), cohort), _labels(model, cohort))


class _Said:
    spreads = True

    def __init__(self) -> None:
        self.means: list[np.ndarray] = []
        self.variances: list[np.ndarray | None] = []

    def put(self, index: int, mean: np.ndarray, variance: np.ndarray | None) -> None:
        assert index == len(self.means)
        self.means.append(mean.copy())  # it is overwritten afterwards
        self.variances.append(variance)


def _said(model: Ensemble, cohort: Cohort) -> _Said:
    said = _Said()
    predict_case(model, cohort.cases[0], watch=lambda case, sample: (said,))
    return said


@pytest.mark.parametrize("axes", ["flat", "solid"])
def test_the_mean_is_that_of_what_each_model_says_on_the_grid_of_the_file(
    axes: str, request: pytest.FixtureRequest
) -> None:
    models, cohort = request.getfixturevalue(axes)
    each = np.stack([np.stack(_said(Ensemble((model,)), cohort).means) for model in models])
    together = _said(Ensemble(models), cohort)
    assert np.allclose(np.stack(together.means), each.mean(axis=0), atol=1e-6)
    assert np.allclose(np.stack(together.variances), each.var(axis=0), atol=1e-6)
    assert np.allclose(np.stack(together.means).sum(axis=0), 1, atol=1e-5)
    assert each.std(axis=0).max() > 1e-3, "the models differ, or this shows nothing"
    labels = _labels(Ensemble(models), cohort)
    assert np.array_equal(labels, np.stack(together.means).argmax(axis=0))


def test_every_voxel_has_the_class_that_most_models_say(flat: tuple[Any, Cohort]) -> None:
    models, cohort = flat
    masks = [np.random.default_rng(seed).integers(0, 3, (9, 7)).astype(np.uint8) for seed in range(3)]
    counts = np.stack([sum((mask == index).astype(int) for mask in masks) for index in range(3)])
    wanted = counts.argmax(axis=0)
    found = most_probable(iter(counts.astype(np.float32) / 3), 3)
    assert np.array_equal(found, wanted)
    each = [_labels(model, cohort) for model in models]
    classes = len(models[0].study.class_names)
    votes = np.stack([sum((mask == index).astype(int) for mask in each) for index in range(classes)])
    assert np.array_equal(_labels(Ensemble(models, Combine.MAJORITY), cohort), votes.argmax(axis=0))


def test_staple_is_that_of_simpleitk_and_leaves_what_all_agree_on() -> None:
    generator, truth = np.random.default_rng(1), np.zeros((16, 16), np.uint8)
    truth[4:12, 4:12] = 1
    masks = [np.where(generator.random(truth.shape) < wrong, 1 - truth, truth) for wrong in (0.05, 0.05, 0.1, 0.4)]
    tool = sitk.STAPLEImageFilter()
    expected = sitk.GetArrayFromImage(tool.Execute([sitk.GetImageFromArray(mask) for mask in masks]))
    assert np.allclose(staple(masks), expected, atol=1e-6)
    assert np.mean((staple(masks) > 0.5) == truth) > 0.93, "the worst one is seen through"
    for same in (np.zeros_like(truth), np.ones_like(truth), truth):
        assert np.array_equal(staple([same] * 3), same)


def test_regions_are_voted_for_one_by_one(tmp_path: Path) -> None:
    study = flat_study(classes={}, regions={"whole": [1, 2], "core": 2})
    cohort = read_manifest(flat_cohort(tmp_path / "data", cases=1), study, truth=Truth.UNREAD)
    models = _models(study, tmp_path)
    for combine in Combine:
        found = _labels(Ensemble((models[0],) * 3, combine), cohort)
        assert np.array_equal(found, _labels(models[0], cohort))
    said = _said(Ensemble(models, Combine.MAJORITY), cohort)
    assert {*np.unique(np.stack(said.means) * 3).round(5).tolist()} <= {0.0, 1.0, 2.0, 3.0}


def test_maps_lie_beside_the_masks_and_are_what_was_said(flat: tuple[Any, Cohort], tmp_path: Path) -> None:
    models, cohort = flat
    ensemble = Ensemble(models)
    written = write_predictions(ensemble, cohort, tmp_path / "out", extras=BOTH)
    assert written.problems == ()
    subject, said = cohort.cases[0].subject, _said(ensemble, cohort)
    maps = {
        name: read_image(tmp_path / "out" / name / f"{subject}.tif").data[0]
        for name in [f"probabilities/{each}" for each in models[0].study.outputs]
        + ["uncertainty/entropy", "uncertainty/variance"]
    }
    p = np.stack(said.means)
    assert np.array_equal(np.stack([maps[f"probabilities/{name}"] for name in models[0].study.outputs]), p)
    assert np.allclose(maps["uncertainty/entropy"], -(p * np.log(p)).sum(axis=0), atol=1e-5)
    assert np.allclose(maps["uncertainty/variance"], np.mean(said.variances, axis=0), atol=1e-7)
    assert {*written.files} >= {tmp_path / "out" / name / f"{subject}.tif" for name in maps}
    again = write_predictions(ensemble, cohort, tmp_path / "out", extras=BOTH)
    assert again.problems == (), "what it wrote itself it replaces"


def test_maps_have_the_grid_of_a_volume_and_replace_nobodys_files(solid: tuple[Any, Cohort], tmp_path: Path) -> None:
    models, cohort = solid
    write_predictions(models[0], cohort, tmp_path / "out", extras=BOTH)
    case = cohort.cases[0]
    found = read_image(tmp_path / "out" / "uncertainty" / "entropy" / case.channels[0].name)
    assert found.geometry.shape == read_image(case.channels[0]).geometry.shape
    assert 0 <= float(found.data.min()) <= float(found.data.max()) <= np.log(len(models[0].study.outputs)) + 1e-5
    assert not (tmp_path / "out" / "uncertainty" / "variance").exists(), "one model has no variance"
    (tmp_path / "own" / "uncertainty" / "entropy").mkdir(parents=True)
    (tmp_path / "own" / "uncertainty" / "entropy" / case.channels[0].name).write_text("mine")
    with pytest.raises(InputError, match="no record of having made"):
        write_predictions(models[0], cohort, tmp_path / "own", extras=BOTH)
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["uncertainty"]


def _table(written: Sequence[Path]) -> list[dict[str, str]]:
    with written[0].open(newline="") as file:
        return [*csv.DictReader(file)]


def test_tables_are_averaged_or_voted_for_and_say_how_sure_they_are(tmp_path: Path) -> None:
    study = study_of(CLASSIFICATION)
    cohort = read_manifest(write_classification_cohort(tmp_path / "data", cases=3), study, truth=Truth.OPTIONAL)
    models = _models(study, tmp_path)
    each = np.stack([[predict_case(model, case).vector for case in cohort.cases] for model in models])
    rows = _table(write_predictions(Ensemble(models), cohort, tmp_path / "mean", extras=Extras(uncertainty=True)).files)
    mean = each.mean(axis=0)
    found = np.array([[float(row[f"Probability_{name}"]) for name in study.outputs] for row in rows])
    assert np.allclose(found, mean, atol=2e-6)
    assert np.allclose([float(row["Entropy"]) for row in rows], -(mean * np.log(mean)).sum(axis=1), atol=1e-4)
    spread = each.std(axis=0)[:, 0]
    assert np.allclose([float(row["Spread_benign"]) for row in rows], spread, rtol=1e-3, atol=1e-6)
    voted = predict_case(Ensemble(models, Combine.MAJORITY), cohort.cases[0]).vector
    votes = np.bincount(each[:, 0].argmax(axis=1), minlength=2) / 3
    assert np.allclose(voted, votes)
    alone = predict_case(models[0], cohort.cases[0]).vector
    assert np.array_equal(predict_case(Ensemble((models[0],) * 3), cohort.cases[0]).vector, alone)


def test_what_has_no_meaning_is_told(tmp_path: Path, flat: tuple[Any, Cohort]) -> None:
    numbers = [_folder(study_of(REGRESSION), tmp_path / f"n{seed}", seed) for seed in range(2)]
    for combine in (Combine.MAJORITY, Combine.STAPLE):
        with pytest.raises(InputError, match="--combine"):
            require_alike(numbers, combine)
    one = Ensemble((TrainedModel(study_of(REGRESSION), None, None, None),))  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        require_extras(one, flat[1], tmp_path, BOTH, None)  # type: ignore[arg-type]
    assert [problem.where for problem in caught.value.problems] == ["--probabilities", "--uncertainty"]


def test_models_that_say_other_things_are_told_all_at_once(tmp_path: Path) -> None:
    first = _folder(flat_study(), tmp_path / "first")
    other = _folder(flat_study(inputs=["CT"], inference={"postprocessing": ["fill_holes"]}), tmp_path / "other")
    third = _folder(study_of(CLASSIFICATION), tmp_path / "third")
    with pytest.raises(InputError) as caught:
        require_alike([first, other, third])
    told = [problem.where for problem in caught.value.problems]
    assert told[:2] == [f"{other}, inputs", f"{other}, inference.postprocessing"]
    assert {f"{third}, task", f"{third}, classes"} <= {*told}


def test_a_runs_folder_stands_for_its_folds_if_all_are_finished(tmp_path: Path) -> None:
    folds = [_folder(flat_study(), tmp_path / "run" / f"fold-{n}" / "model") for n in range(3)]
    assert [*model_folders([tmp_path / "run"])] == folds
    assert model_folders([folds[1]]) == (folds[1],)
    shutil.rmtree(folds[1])
    with pytest.raises(InputError, match="not all folds of this run are finished") as caught:
        model_folders([tmp_path / "run", tmp_path / "none", folds[0], folds[0]])
    assert len(caught.value.problems) == 3
    assert "fold-1" in caught.value.problems[0].got


def test_steps_that_most_models_decided_on_are_applied(tmp_path: Path) -> None:
    study = flat_study(inference={"postprocessing": ["fill_holes", "largest_component"]})
    model = load_model(_folder(study, tmp_path), device="cpu")
    fewer = replace(model, steps=model.steps[:1])
    assert Ensemble((model, model, fewer)).steps == model.steps
    assert Ensemble((model, fewer)).steps == model.steps[:1]


def test_a_step_that_most_models_have_is_applied_whatever_the_others_have(tmp_path: Path) -> None:
    study = flat_study(inference={"postprocessing": ["fill_holes", "largest_component", "remove_small"]})
    model = load_model(_folder(study, tmp_path), device="cpu")
    first, last = replace(model, steps=model.steps[:2]), replace(model, steps=model.steps[2:])
    assert Ensemble((first, last, last)).steps == model.steps[2:]
    assert Ensemble((first, last)).steps == ()


def test_a_case_is_let_go_of_before_the_next_model_has_its_own(flat: tuple[Any, Cohort]) -> None:
    import weakref

    models, cohort = flat
    alive: list[weakref.ref[StoredCase]] = []

    def prepared(member: TrainedModel) -> StoredCase:
        from wardround.engine.experiments.prediction import in_memory
        from wardround.engine.preprocessing import read_sample

        assert not [each for each in alive if each() is not None]
        stored = in_memory(member.pipeline, cohort.cases[0], read_sample(member.study, cohort.cases[0]))
        alive.append(weakref.ref(stored))
        return stored

    combined_labels(Ensemble(models), prepared)
    assert len(alive) == 3
