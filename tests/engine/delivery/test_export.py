"""What is exported gives what was trained, and says how nearly; what is given away names nobody and holds no code."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import wardround
from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_study, solid_cohort, solid_study
from tests.support.commands import run_wardround
from tests.support.studies import REGRESSION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.delivery import FORMATS, deliver
from wardround.engine.delivery import package as package_module
from wardround.engine.delivery.card import card_of
from wardround.engine.delivery.formats import Format, traced
from wardround.engine.delivery.proof import example_images, prove, require_equal
from wardround.engine.experiments.models import TrainedModel, load_model, write_study, write_weights
from wardround.engine.experiments.run_record import Metrics, Scores
from wardround.engine.preprocessing.fitted import EMPTY, FittedState, Scale
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training import this_machine
from wardround.engine.training.weights import copy_weights


def _model(study: Study, folder: Path, state: FittedState = EMPTY) -> TrainedModel:
    write_study(folder / "study.yaml", study)
    write_weights(folder / "model.safetensors", study, copy_weights(build_task(study).network()), 0, state)
    return load_model(folder, device="cpu")


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """A model folder of a flat segmentation."""
    _model(flat_study(), tmp_path / "model")
    return tmp_path / "model"


STUDIES = {"flat": flat_study, "solid": solid_study, "halves": halves_study}


@pytest.mark.parametrize("name", STUDIES)
def test_the_traced_network_gives_the_trained_ones_outputs_for_any_number_of_samples(name: str, tmp_path: Path) -> None:
    model, wanted = _model(STUDIES[name](), tmp_path), FORMATS["torch"]
    wanted.write(traced(model.network, example_images(model, 2)), tmp_path / wanted.file)
    run = wanted.run(tmp_path / wanted.file)
    for samples in (1, 3):
        images = example_images(model, samples)
        with torch.inference_mode():
            expected = model.network(images).numpy()
        np.testing.assert_array_equal(run(images.numpy()), expected)


def test_a_network_for_onnx_differs_by_rounding_alone(flat: Path) -> None:
    model, wanted = load_model(flat, device="cpu"), FORMATS["onnx"]
    wanted.write(traced(model.network, example_images(model, 2)), flat / wanted.file)
    proof = prove(model, wanted.run(flat / wanted.file), [])
    require_equal(proof, wanted)
    assert proof.difference < 1e-5 < proof.largest
    assert (proof.cases, proof.windows, proof.alike) == (0, 4, 1.0)
    _require_placeless(flat / wanted.file)


def _require_placeless(path: Path) -> None:
    """Where Python's packages lie is often somebody's home folder: lines of code must not be named by it."""
    content = path.read_bytes()
    for module in (torch, wardround):
        assert str(Path(str(module.__file__)).parent).encode() not in content, path.name


@pytest.mark.slow
def test_openvino_computes_in_float32_and_tells_nobody(flat: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = ["export", str(flat), "--to", "openvino", "--out", str(tmp_path / "out"), "--json"]
    script = (
        "import sys; from wardround.engine.cli.main import main; code = main(); "
        "assert 'openvino' in sys.modules and 'openvino_telemetry' not in sys.modules; sys.exit(code)"
    )
    surroundings = {**os.environ, "HOME": str(home)}
    surroundings.pop("CI", None)  # there the telemetry is silent by itself
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    assert not [path for path in home.rglob("*") if "openvino" in path.name.lower() or "intel" in path.name.lower()]
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"network.xml", "network.bin"}


def test_a_network_that_gives_something_else_is_not_written(flat: Path, tmp_path: Path) -> None:
    def off(path: Path) -> object:
        return lambda images: FORMATS["torch"].run(path)(images) + np.float32(0.01)

    wrong = replace(FORMATS["torch"], run=off)
    with pytest.raises(InputError, match="does not give what the trained one gives"):
        deliver(load_model(flat, device="cpu"), flat, tmp_path / "out", [wrong])
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 0.01], ids=str)
def test_no_difference_goes_unseen(flat: Path, spoilt: float) -> None:
    model = load_model(flat, device="cpu")

    def exported(images: np.ndarray) -> np.ndarray:
        outputs = model.network(torch.from_numpy(images)).detach().numpy().copy()
        outputs[-1, 0, 0, 0] += spoilt
        return outputs

    with pytest.raises(InputError):
        require_equal(prove(model, exported, []), FORMATS["torch"])


def test_outputs_of_another_shape_are_not_equal(flat: Path) -> None:
    model = load_model(flat, device="cpu")
    proof = prove(model, lambda images: np.zeros((len(images), 1), dtype=np.float32), [])
    assert (proof.difference, proof.alike) == (np.inf, 0.0)


def test_what_is_given_away_predicts_as_the_model_does(tmp_path: Path) -> None:
    data = solid_cohort(tmp_path / "data", cases=2)
    _model(solid_study(), tmp_path / "model")
    done = run_wardround(
        "export", tmp_path / "model", "--to", "torch", "--manifest", data, "--out", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    proof = done.json["networks"]["torch"]
    assert (proof["cases"], proof["difference"], proof["alike"]) == (2, 0.0, 1.0)
    assert proof["windows"] > 2
    for name in ("model", "out"):
        outcome = run_wardround("predict", tmp_path / name, "--manifest", data, "--out", tmp_path / f"by-{name}")
        assert outcome.code == 0, outcome.err
    files = sorted(path.name for path in (tmp_path / "by-model").glob("*.nii.gz"))
    assert len(files) == 2
    for name in files:
        assert (tmp_path / "by-out" / name).read_bytes() == (tmp_path / "by-model" / name).read_bytes()


def test_nothing_that_is_given_away_names_a_case_or_a_path_or_holds_a_pickle(tmp_path: Path) -> None:
    data = flat_cohort(tmp_path / "secret-place", cases=2)
    _model(flat_study(), tmp_path / "model")
    done = run_wardround("export", tmp_path / "model", "--to", "torch", "--manifest", data, "--out", tmp_path / "out")
    assert done.code == 0, done.err
    card = (tmp_path / "out" / "README.md").read_text()
    assert "of 2 real cases" in card
    assert "not a medical device" in card
    for path in (tmp_path / "out").iterdir():
        content = path.read_bytes()
        assert b"secret-place" not in content
        assert b"case_0" not in content
        _require_placeless(path)
    with zipfile.ZipFile(tmp_path / "out" / "network.pt2") as archive:
        for name in archive.namelist():
            assert archive.read(name)[:2] not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"PK"), name


def test_a_card_tells_the_scores_and_how_numbers_are_scaled(tmp_path: Path) -> None:
    scores = Scores(cases=4, values={"mae": 3.25, "r2": 0.5})
    machine = this_machine(torch.device("cpu"), "fp32")
    metrics = Metrics(
        study="s", best_step=7, total_steps=9, train_cases=11, validation=scores, test=None, machine=machine
    )
    model = _model(study_of(REGRESSION), tmp_path, FittedState(cases=11, truth=(Scale(mean=40.0, deviation=12.5),)))
    proof = prove(model, lambda images: model.network(torch.from_numpy(images)).detach().numpy(), [])
    card = card_of(model, metrics, [(FORMATS["torch"], proof)])
    assert "| mae | 3.25 |" in card
    assert "the best step of 9" in card
    assert "Trained with 11 cases" in card
    assert "= 12.5 y + 40" in card


def test_files_of_others_are_not_replaced(flat: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("mine")
    refused = run_wardround("export", flat, "--out", tmp_path / "out")
    assert refused.code == 2
    assert (tmp_path / "out" / "README.md").read_text() == "mine"
    assert run_wardround("export", flat, "--out", tmp_path / "free").code == 0
    assert run_wardround("export", flat, "--out", tmp_path / "free").code == 0, "its own files it replaces"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "onx"], "Did you mean 'onnx'?"),
        (["--to", "tensorrt"], "expected one of torch, onnx, openvino"),
        (["--threads", "0"], "--threads"),
        (["--manifest", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_slip_is_told_before_anything_is_written(flat: Path, tmp_path: Path, words: list[str], told: str) -> None:
    refused = run_wardround("export", flat, "--out", tmp_path / "out", *words)
    assert refused.code == 2
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert not (tmp_path / "out").exists()


def test_a_package_that_is_not_there_is_named(flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> bool:
        return name != "onnxruntime"

    monkeypatch.setattr("wardround.engine.delivery.formats._is_installed", absent)
    refused = run_wardround("export", flat, "--to", "onnx", "--out", tmp_path / "out")
    assert refused.code == 2
    assert 'pip install -c constraints.txt "wardround[onnx]"' in refused.err


def test_a_case_that_cannot_be_read_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    data = flat_cohort(tmp_path / "data", cases=2)
    next((tmp_path / "data").rglob("*.png")).write_bytes(b"")
    _model(flat_study(), tmp_path / "model")
    refused = run_wardround(
        "export", tmp_path / "model", "--to", "torch", "--manifest", data, "--out", tmp_path / "out"
    )
    assert refused.code == 2
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_every_format_is_written_by_the_names_that_it_states() -> None:
    names = [name for one in FORMATS.values() for name in one.files]
    assert len(names) == len(set(names))
    assert set(names) <= set(package_module.names_of([*FORMATS.values()]))
    assert all(isinstance(one, Format) and one.file == one.files[0] for one in FORMATS.values())
