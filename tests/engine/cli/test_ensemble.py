"""`predict` and `evaluate` with several models, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.experiments.models import write_study, write_weights
from wardround.engine.tasks import build_task
from wardround.engine.training.weights import copy_weights


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("together")
    flat_cohort(place / "data", cases=2)
    write_study(place / "study.yaml", flat_study())
    for seed in range(2):
        study, folder = flat_study(), place / "run" / f"fold-{seed}" / "model"
        write_study(folder / "study.yaml", study)
        weights = copy_weights(build_task(study.model_copy(update={"seed": seed})).network())
        write_weights(folder / "model.safetensors", study, weights, 0)
    return place


def _said(*words: str | Path) -> tuple[int, str]:
    found = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    return found.exit_code, found.output


def test_a_runs_folder_predicts_and_is_scored(place: Path) -> None:
    table, out = next((place / "data").glob("*.csv")), place / "out"
    how = ["--combine", "staple", "--device", "cpu", "--json"]
    extras = ["--probabilities", "--uncertainty"]
    code, said = _said("predict", place / "run", "--manifest", table, "--out", out, *how, *extras)
    assert code == 0, said
    files = [Path(file).relative_to(out).parts[0] for file in json.loads(said[said.index("{") :])["files"]]
    assert {*files} > {"probabilities", "uncertainty"}
    code, said = _said("evaluate", place / "study.yaml", "--manifest", table, "--model", place / "run", *how)
    assert code == 0, said
    assert len(json.loads(said[said.index("{") :])["cases"]) == 2


def test_what_is_wrong_is_told_all_at_once(place: Path) -> None:
    model = place / "run" / "fold-0" / "model"
    with pytest.raises(InputError) as caught:
        _said("predict", model, model, "--folder", place / "none", "--out", place / "o", "--combine", "stable")
    told = " ".join(problem.render() for problem in caught.value.problems)
    assert "a model is named twice" in told
    assert "staple" in told
    assert "none" in told
    assert not (place / "o").exists()
