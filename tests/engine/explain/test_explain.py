"""The command writes maps on the images' own grids, and a page of them; what does not fit is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_study, solid_cohort, solid_study
from tests.support.commands import run_wardround
from tests.support.images import write_classification_cohort
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments.models import TrainedModel, load_model, write_study, write_weights
from wardround.engine.explain import METHODS, explain_case
from wardround.engine.imaging import geometry_differences, read_header, read_image
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights


def _model(study: Study, folder: Path) -> TrainedModel:
    write_study(folder / "study.yaml", study)
    write_weights(folder / "model.safetensors", study, copy_weights(build_task(study).network()), 0)
    return load_model(folder, device="cpu")


@pytest.fixture
def solid(tmp_path: Path) -> Path:
    """A folder with a model of a volume's segmentation and its cases."""
    _model(solid_study(), tmp_path / "model")
    solid_cohort(tmp_path / "data", cases=2)
    return tmp_path


def _table(folder: Path) -> Path:
    return next((folder / "data").glob("*.csv"))


def test_maps_lie_on_the_grid_of_their_image(solid: Path) -> None:
    done = run_wardround(
        "explain", solid / "model", "--manifest", _table(solid), "--out", solid / "out", "--method", "grad_cam"
    )
    assert done.code == 0, done.err
    maps = sorted((solid / "out").glob("*.nii.gz"))
    assert len(maps) == 2
    for path in maps:
        image = next((solid / "data").rglob(path.name))
        assert not geometry_differences(read_header(path).geometry, read_header(image).geometry)
        values = read_image(path).data
        assert np.isfinite(values).all()
        assert values.min() >= 0 < values.max()
    page = (solid / "out" / "explained.html").read_text()
    assert "grad_cam of blob" in page
    assert page.count("data:image/png") == 4


def test_a_whole_image_is_explained_for_what_is_predicted_or_what_is_named(tmp_path: Path) -> None:
    model = _model(halves_study(), tmp_path / "model")
    data = write_classification_cohort(tmp_path / "data", cases=2, shape=(20, 14))
    case = read_manifest(data, model.study, truth=Truth.UNREAD).cases[0]
    predicted = explain_case(model, case, METHODS["integrated_gradients"])
    names = list(model.study.outputs)
    other = next(name for name in names if name != predicted.output)
    named = explain_case(model, case, METHODS["integrated_gradients"], other)
    assert named.output == other
    assert named.values.shape == predicted.values.shape == (20, 14)
    assert not np.allclose(named.values, predicted.values)


def test_pictures_get_maps_in_tiff_with_signs(tmp_path: Path) -> None:
    _model(halves_study(), tmp_path / "model")
    write_classification_cohort(tmp_path / "data", cases=2, shape=(20, 14))
    words = ("--method", "occlusion", "--json")
    done = run_wardround(
        "explain", tmp_path / "model", "--manifest", _table(tmp_path), "--out", tmp_path / "out", *words
    )
    assert done.code == 0, done.err
    assert len(done.json["cases"]) == 2
    values = read_image(sorted((tmp_path / "out").glob("*.tif"))[0]).data
    assert values.dtype == np.float32
    assert values.min() < 0 < values.max()


def test_windows_of_a_large_image_are_blended_as_in_a_prediction(tmp_path: Path) -> None:
    """A network whose answer does not depend on place is explained alike everywhere, seams or not."""
    model = _model(flat_study(), tmp_path / "model")
    data = flat_cohort(tmp_path / "data", cases=1)
    case = read_manifest(data, model.study, truth=Truth.UNREAD).cases[0]
    torch.manual_seed(1)
    network = torch.nn.Conv2d(1, 2, 1).eval()
    replaced = TrainedModel(model.study, model.task, network, model.device)
    found = explain_case(replaced, case, METHODS["integrated_gradients"], "blob")
    assert found.values.shape == read_header(case.channels[0]).geometry.shape
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--method", "gradcam"], "Did you mean 'grad_cam'"),
        (["--output", "blub"], "Did you mean 'blob'?"),
        (["--layer", "nowhere"], "there is no layer of this name"),
        (["--device", "tpu"], "there is no such device here"),
    ],
)
def test_a_slip_is_told_and_nothing_is_written(solid: Path, words: list[str], told: str) -> None:
    refused = run_wardround("explain", solid / "model", "--manifest", _table(solid), "--out", solid / "out", *words)
    assert refused.code == 2
    assert told in refused.err
    assert refused.err.count(told) == 1, "once, not for each case"
    assert "Traceback" not in refused.err
    assert not (solid / "out").exists()


def test_a_damaged_image_leaves_the_others_explained(solid: Path) -> None:
    image = sorted((solid / "data").rglob("*.nii.gz"))[0]
    image.write_bytes(image.read_bytes()[:-200])
    done = run_wardround("explain", solid / "model", "--manifest", _table(solid), "--out", solid / "out")
    assert done.code == 2
    assert image.name in done.err
    assert len(list((solid / "out").glob("*.nii.gz"))) == 1
    assert (solid / "out" / "explained.html").exists()


def test_an_image_of_one_value_has_a_page(tmp_path: Path) -> None:
    from PIL import Image

    _model(flat_study(preprocessing=[]), tmp_path / "model")
    (tmp_path / "data").mkdir()
    Image.fromarray(np.full((20, 20), 7, np.uint8)).save(tmp_path / "data" / "even.png")
    done = run_wardround("explain", tmp_path / "model", "--folder", tmp_path / "data", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    assert np.isfinite(read_image(tmp_path / "out" / "even.tif").data).all()


def test_the_files_of_others_are_kept(solid: Path) -> None:
    (solid / "out").mkdir()
    (solid / "out" / "explained.html").write_text("mine")
    assert run_wardround("explain", solid / "model", "--manifest", _table(solid), "--out", solid / "out").code == 2
    assert (solid / "out" / "explained.html").read_text() == "mine"
