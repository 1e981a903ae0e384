"""A model folder says with which versions of the steps it was trained; whoever opens it hears where they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, solid_study
from wardround.aggregator.initial import notes_on
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments.fit import _Run
from wardround.engine.experiments.models import (
    BEST,
    STUDY,
    load_model,
    other_steps,
    require_model,
    write_study,
    write_weights,
)
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.preprocessing.fitted import FittedState, StepState, Window
from wardround.engine.preprocessing.steps import ResampleStep, ResizeStep
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.training import read_header
from wardround.engine.training.weights import copy_weights


def _folder(folder: Path, study: Study) -> Path:
    write_study(folder / STUDY, study)
    write_weights(folder / BEST, study, copy_weights(build_task(study).network()), 1)
    return folder


def test_weights_of_an_earlier_resampling_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = solid_study()
    with monkeypatch.context() as earlier:
        earlier.setattr(ResampleStep, "version", 1)
        folder = _folder(tmp_path / "model", study)
        assert load_model(folder, device="cpu").notices == ()
    (notice,) = load_model(folder, device="cpu").notices
    assert "another version of resample" in notice.render()
    assert "low-pass" in notice.remedy
    assert "another version of resample" in "".join(notes_on(folder, study))


def test_weights_without_versions_are_of_the_first_ones(tmp_path: Path) -> None:
    assert other_steps(solid_study(), {"study": "", "step": 1}, tmp_path)
    assert not other_steps(flat_study(), {"study": "", "step": 1}, tmp_path)


def test_whoever_begins_with_weights_that_were_fitted_hears_that_the_federation_fits_anew(tmp_path: Path) -> None:
    study = solid_study()
    state = FittedState(cases=3, steps=(StepState(place=0, channels=(Window(low=0, high=1),)),))
    write_weights(tmp_path / BEST, study, copy_weights(build_task(study).network()), 1, state)
    (note,) = notes_on(tmp_path, study)
    assert "fitted to other cases" in note


def test_weights_of_this_release_need_no_word(tmp_path: Path) -> None:
    study = solid_study()
    folder = _folder(tmp_path / "model", study)
    assert load_model(folder, device="cpu").notices == ()
    assert notes_on(folder, study) == ()
    header = read_header(folder / BEST)
    assert isinstance(header, dict)
    assert header["steps"] == {"orient": 1, "resample": ResampleStep.version, "z_normalize": 1}


def test_a_run_that_goes_on_with_other_steps_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    study = flat_study(preprocessing=[{"resize": [16, 16]}])
    bench = Workbench.open(study, flat_cohort(tmp_path / "data"), tmp_path / "work", device="cpu")
    with monkeypatch.context() as earlier:
        earlier.setattr(ResizeStep, "version", 1)
        _Run(bench, tmp_path / "run").claim()
    _Run(bench, tmp_path / "run").claim()
    assert "another version of resize" in caplog.text
    caplog.clear()
    _Run(bench, tmp_path / "other").claim()
    _Run(bench, tmp_path / "other").claim()
    assert not caplog.text


def test_a_run_s_folder_in_the_place_of_its_model_is_led_to_it(tmp_path: Path) -> None:
    model = tmp_path / "run" / "fold-0" / "model"
    model.mkdir(parents=True)
    for name in ("study.yaml", "model.safetensors"):
        (model / name).write_bytes(b"")
    for given in (tmp_path / "run", model.parent, model / "model.safetensors"):
        with pytest.raises(InputError, match=f"Name {model}"):
            load_model(given)
    with pytest.raises(InputError, match=r"does not exist|Looked for|Its folder has"):
        load_model(tmp_path / "rum")


def _told(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        require_model(folder)
    return str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "last.safetensors", "hippo.safetensors"])
def test_weights_alone_need_the_folder_they_come_from(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    for place in (tmp_path, tmp_path / name):
        told = _told(place)
        assert f"{place}: study.yaml is missing (got weights alone, {name};" in told
        assert "for the whole folder `model`" in told
        assert "wardround fit" not in told


def test_a_model_folder_without_its_weights_says_so(tmp_path: Path) -> None:
    write_study(tmp_path / STUDY, flat_study())
    assert "this is not a model folder" in _told(tmp_path), "a study may lie anywhere"
    (tmp_path / "metrics.json").touch()
    assert "model.safetensors is missing (got study.yaml;" in _told(tmp_path)
    (tmp_path / "final.safetensors").touch()
    assert "If final.safetensors has its weights, call that file model.safetensors" in _told(tmp_path)


def test_an_unfinished_run_is_no_part_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.safetensors").touch()
    assert "when it is finished" in _told(tmp_path)
