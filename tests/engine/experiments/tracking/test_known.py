"""Which trackers can be asked for, and what is said of others before a training begins."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_study
from tests.engine.experiments.tracking import memory
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.tracking.following import Tracking
from wardround.engine.experiments.tracking.known import TRACKERS, require_trackers
from wardround.engine.experiments.tracking.settings import settings_of


def test_all_that_is_wrong_with_trackers_is_said_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRACKERS, "memory", memory.known("Memory", "json", "no_such_package"))  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        require_trackers(["mlflw", "memory", "memory"])
    told = str(caught.value)
    assert "unknown tracker" in told
    assert "Did you mean 'mlflow'?" in told
    assert "The memory needs packages that are not installed (got no no_such_package)" in told
    assert 'pip install -c constraints.txt "wardround[memory]"' in told
    assert "asked for twice" in told
    assert require_trackers([]) == ()


def test_one_that_cannot_be_reached_is_said_before_anything_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TRACKERS, "away", memory.known("Unready"))  # type: ignore[arg-type]
    monkeypatch.setitem(TRACKERS, "here", memory.known())  # type: ignore[arg-type]
    with pytest.raises(InputError, match=re.escape("no way to the server of blobs")) as caught:
        Tracking(("here", "away")).require_ready("blobs")
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(("word", "told"), [("wandbb", "Did you mean 'wandb'?"), ("away", "no way to the server")])
def test_the_command_ends_with_bad_input_and_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str, told: str
) -> None:
    if word == "away":
        monkeypatch.setitem(TRACKERS, "away", memory.known("Unready"))  # type: ignore[arg-type]
    write_study(tmp_path / "study.yaml", flat_study())
    words = [str(tmp_path / "study.yaml"), "--manifest", str(flat_cohort(tmp_path / "data"))]
    out = tmp_path / "run"
    assert run(app, ["fit", *words, "--out", str(out), "--device", "cpu", "--track", word]) == ExitCode.BAD_INPUT
    assert told in capsys.readouterr().err
    assert not [*out.rglob("*.npy"), *out.rglob("*.safetensors")]


def test_settings_are_flat_and_plain() -> None:
    found = settings_of(halves_study(columns={"age (years)": "number", "sex": ["f", "m"]}))
    assert found["model.name"] == "resnet"
    assert found["training.loss.name"] == "cross_entropy"
    assert found["augmentation.0.name"] == "noise"
    assert str(found["columns"]).startswith('{"age (years)": {"kind": "number"')
    assert found["patches.size"] == "[28, 28]"
    assert all(isinstance(value, str | int | float | bool) for value in found.values())
    many = settings_of(flat_study(classes={"blob": [*range(1, 300)]}))
    assert [many[f"classes.blob.{place}"] for place in (0, 298)] == [1, 299]
