"""A run that starts from a model: its weights are taken where they fit, and what it has seen is never a test case."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.experiments.learned import unseen
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.start import Start
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.networks.build import build_network
from wardround.engine.study import Study
from wardround.engine.training import read_tensors

SHORT: dict[str, Any] = {"loss": "dice_ce", "batch_size": 4, "steps": 1}


def _study(**changes: Any) -> Study:
    return flat_study(**({"training": SHORT} | changes))


def _fit(study: Path, manifest: Path, out: Path, *more: str) -> int:
    words = ["fit", str(study), "--manifest", str(manifest), "--out", str(out), "--threads", "1", "--device", "cpu"]
    return run(app, [*words, *more])


def _renamed(manifest: Path, prefix: str) -> Path:
    """The same table under other names of cases."""
    header, *rows = manifest.read_text().splitlines()
    path = manifest.with_name(f"{prefix}.csv")
    path.write_text("\n".join([header, *(f"{prefix}_{row}" for row in rows)]))
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study, a cohort and a run of them."""
    folder = tmp_path_factory.mktemp("start")
    write_study(folder / "study.yaml", _study())
    manifest = flat_cohort(folder / "data")
    assert _fit(folder / "study.yaml", manifest, folder / "run") == ExitCode.OK
    return folder


@pytest.fixture(scope="module")
def model(place: Path) -> Path:
    return place / "run" / "fold-0" / "model"


def _weights(model: Path) -> dict[str, torch.Tensor]:
    return dict(read_tensors(model / "model.safetensors").tensors)


def test_every_tensor_of_the_same_network_begins_as_the_models(place: Path, model: Path, tmp_path: Path) -> None:
    study = _study(seed=5)  # another seed, so that the study's own initial weights are others
    start = Start.of(model, study)
    bench = Workbench.open(study, place / "data" / "data.csv", tmp_path, device="cpu")
    began, given = Workbench(**{**vars(bench), "start": start}).learner(1).weights(), _weights(model)
    assert start.fresh == {}
    assert began.keys() == given.keys()
    assert all(torch.equal(began[name], given[name]) for name in given)
    assert not all(torch.equal(tensor, given[name]) for name, tensor in bench.learner(1).weights().items())


@pytest.mark.parametrize(
    ("classes", "why"),
    [({"one": 1, "two": 2}, "shape (2, 4, 1, 1) there, (3, 4, 1, 1) here"), ({"lesion": 1}, "of other classes")],
)
def test_the_head_begins_afresh_where_classes_are_others(model: Path, classes: dict[str, int], why: str) -> None:
    study = _study(classes=classes)
    start, own, given = Start.of(model, study), build_network(study).state_dict(), _weights(model)
    assert [*start.fresh] == ["head.weight", "head.bias"]
    assert start.fresh["head.weight"] == why
    assert all(
        torch.equal(tensor, own[name] if name in start.fresh else given[name]) for name, tensor in start.weights.items()
    )
    assert f"head.weight ({why})" in " ".join(start.told())


def test_other_inputs_leave_all_but_the_first_layer(model: Path) -> None:
    start = Start.of(model, _study(inputs=["a", "b"]))
    assert len(start.fresh) >= 1
    assert all("(4, 1, 3, 3) there, (4, 2, 3, 3) here" in why for why in start.fresh.values())
    assert len(start.fresh) < len(start.weights) / 2


def test_a_model_of_which_nothing_fits_is_refused_before_anything_is_written(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = {"name": "unet", "dimensions": 2, "filters": 6, "levels": 2}
    write_study(tmp_path / "study.yaml", _study(model=wide))
    call = (tmp_path / "study.yaml", place / "data" / "data.csv", tmp_path / "out")
    assert _fit(*call, "--start-from", str(model)) == ExitCode.BAD_INPUT
    assert "no weight of this model fits" in capsys.readouterr().err
    assert _fit(*call, "--start-from", str(tmp_path)) == ExitCode.BAD_INPUT
    assert "this is not a model folder" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_altered_weights_are_refused(model: Path, tmp_path: Path) -> None:
    for name in ("study.yaml", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    content = bytearray((model / "model.safetensors").read_bytes())
    content[-3] ^= 255
    (tmp_path / "model.safetensors").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"damaged|altered"):
        Start.of(tmp_path, _study())


def test_a_model_may_not_have_seen_a_test_case(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor under another name: its image is known."""
    data = place / "data"
    for manifest in (data / "data.csv", _renamed(data / "data.csv", "new")):
        call = (place / "study.yaml", manifest, tmp_path / manifest.stem, "--folds", "1")
        assert _fit(*call, "--start-from", str(model)) == ExitCode.BAD_INPUT
        told = capsys.readouterr().err
        assert "the model that it starts from has seen cases of the test set" in told
        assert "fold-1" in told


def test_a_tuned_run_goes_on_is_another_one_without_its_start_and_keeps_what_was_seen(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(tmp_path / "study.yaml", _study(seed=3))  # names are digested with another seed
    others = _renamed(flat_cohort(tmp_path / "others", cases=12), "other")
    header, *rows = others.read_text().splitlines()
    others.write_text("\n".join([header, *rows[9:], *_brightened(rows[:9], tmp_path / "others")]))
    call, start = (tmp_path / "study.yaml", others, tmp_path / "tuned"), ("--start-from", str(model))
    assert _fit(*call, *start) == ExitCode.OK
    assert "of 22 tensors begin as those of" in capsys.readouterr().err
    folder = tmp_path / "tuned" / "fold-0"
    written = (folder / "model" / "model.safetensors").stat().st_mtime_ns
    assert _fit(*call, *start) == ExitCode.OK
    assert (folder / "model" / "model.safetensors").stat().st_mtime_ns == written
    capsys.readouterr()
    assert _fit(*call) == ExitCode.BAD_INPUT
    assert "starts from a model's weights" in capsys.readouterr().err
    assert Start.of(model, _study()).digest in (folder / "run.json").read_text()
    first = read_manifest(place / "data" / "data.csv", _study(), truth=Truth.REQUIRED)
    left, used = unseen(folder / "model", first)
    expected, _ = unseen(model, first)
    assert used is not None
    assert {case.subject for case in left.cases} == {case.subject for case in expected.cases}
    assert len(left.cases) == 3


def test_validation_cases_that_the_model_has_seen_are_told(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the same table and fold it has seen them all; its test cases it has not."""
    call = (place / "study.yaml", place / "data" / "data.csv", tmp_path / "again")
    assert _fit(*call, "--start-from", str(model)) == ExitCode.OK
    told = capsys.readouterr().err
    assert "note: fold-0: the model that it starts from has seen 3 of 3 validation cases, among them case_" in told


def _asset(content: dict[str, torch.Tensor], path: Path) -> tuple[Path, dict[str, Any]]:
    """A file of tensors, and a training that starts from it."""
    save_file(content, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, {**SHORT, "start": {"asset": "pretrained", "sha256": digest}}


def test_an_asset_of_the_study_is_what_it_begins_with(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All but the layer whose classes nobody knows; the study's digest stands for the file."""
    path, training = _asset(_weights(model), tmp_path / "weights.safetensors")
    study = _study(training=training)
    start, own = Start.of_asset(path, study), build_network(study).state_dict()
    assert [*start.fresh] == ["head.weight", "head.bias"]
    given = _weights(model)
    assert all(torch.equal(each, (own if name in start.fresh else given)[name]) for name, each in start.weights.items())
    assert study.digest != _study().digest
    write_study(tmp_path / "study.yaml", study)
    call = (tmp_path / "study.yaml", place / "data" / "data.csv", tmp_path / "run")
    assert _fit(*call) == ExitCode.BAD_INPUT
    assert _fit(*call, "--asset", f"pretrained={path}", "--start-from", str(model)) == ExitCode.BAD_INPUT
    assert "says already what the training starts from" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert _fit(*call, "--asset", f"pretrained={path}") == ExitCode.OK
    assert f"20 of 22 tensors begin as those of {path}" in capsys.readouterr().err
    assert start.digest in (tmp_path / "run" / "fold-0" / "run.json").read_text()


def test_check_wants_the_assets_too(
    place: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, training = _asset(_weights(model), tmp_path / "weights.safetensors")
    write_study(tmp_path / "study.yaml", _study(training=training))
    words = ["check", str(tmp_path / "study.yaml"), "--manifest", str(place / "data" / "data.csv")]
    assert run(app, [*words, "--asset", f"pretrained={path}"]) == ExitCode.OK
    assert run(app, words) == ExitCode.BAD_INPUT
    assert "nothing says where the asset 'pretrained' lies" in capsys.readouterr().err
    for wrong in ("pretrained", "=x", "pretrained="):
        assert run(app, [*words, "--asset", wrong]) == ExitCode.BAD_INPUT
        assert "--asset: this names no file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"other": torch.zeros(2, 2)}, "no weight of this model fits"),
        ({"head.weight": torch.full((2, 2), torch.nan)}, "not finite"),
    ],
)
def test_an_asset_that_is_of_no_use_is_refused(content: dict[str, torch.Tensor], said: str, tmp_path: Path) -> None:
    path, training = _asset(content, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=said):
        Start.of_asset(path, _study(training=training))


def test_another_type_of_numbers_is_said_to_be_that(model: Path, tmp_path: Path) -> None:
    given = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in _weights(model).items()}
    path, training = _asset(given, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match=r"torch.float16 there, torch.float32 here"):
        Start.of_asset(path, _study(training=training))


def _brightened(rows: list[str], folder: Path) -> list[str]:
    """The same rows with pictures that no other cohort has."""
    import numpy as np
    from PIL import Image as Picture

    for row in rows:
        for cell in row.split(","):
            path = folder / cell
            if cell.endswith(".png") and "image" in cell:
                with Picture.open(path) as picture:
                    pixels = np.asarray(picture)
                Picture.fromarray(np.where(pixels < 250, pixels + 1, pixels).astype(pixels.dtype)).save(path)
    return rows


def test_a_model_without_a_record_is_said_to_have_none(model: Path, tmp_path: Path) -> None:
    for name in ("study.yaml", "model.safetensors"):
        (tmp_path / name).write_bytes((model / name).read_bytes())
    assert "tells with which cases it was trained" in Start.of(tmp_path, _study()).told()[-1]
    assert len(Start.of(model, _study()).told()) == 1
