"""MLflow and Weights & Biases themselves: what they keep, what they are never told, and what they say when it fails."""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

import wardround
from tests.engine.experiments.cohorts import flat_cohort, flat_study
from tests.engine.experiments.tracking.mlflow_server import Server, serving
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.tracking.following import RECORD, Tracking
from wardround.engine.experiments.tracking.of_mlflow import DATABASE, MLflowTracker, metric_name
from wardround.engine.experiments.tracking.of_wandb import WandbTracker
from wardround.engine.experiments.tracking.tracker import Described, Ending
from wardround.engine.study import Study

CANARY = "canary"
SETTINGS = {f"training.setting-{number}": number for number in range(130)}
DESCRIBED = Described("blobs", "fold-0", SETTINGS, {"study": "d1" * 32})


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody's settings of these programs; and a person whose names would be seen."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("USER", "LOGNAME", "USERNAME", "WANDB_USERNAME"):
        monkeypatch.setenv(name, f"{CANARY}-user")
    (tmp_path / f"{CANARY}-home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / f"{CANARY}-home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as found:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", found.address)
        yield found


def _study() -> Study:
    training = {"loss": "dice_ce", "batch_size": 2, "epochs": 2}
    return flat_study(training=training, validation={"outer_folds": 3, "metrics": ["dice"], "select": "dice"})


def _canaries(tmp_path: Path) -> list[str]:
    """A command line whose every name of a patient, file and folder would be known again."""
    place = tmp_path / f"{CANARY}-hospital"
    table = flat_cohort(place, cases=9)
    table.write_text(table.read_text().replace("case", f"{CANARY}-case"))
    for path in [*place.rglob("*case*.png")]:
        path.rename(path.with_name(path.name.replace("case", f"{CANARY}-case")))
    write_study(tmp_path / f"{CANARY}.yaml", _study())
    return ["fit", str(tmp_path / f"{CANARY}.yaml"), "--manifest", str(table), "--device", "cpu"]


def _as_field(word: str) -> tuple[bytes, bytes]:
    """A short word as a value of JSON, and as one of a protocol buffer, which says its length before it."""
    return f'"{word}"'.encode(), bytes([len(word)]) + word.encode()


def test_neither_is_told_a_name_or_a_path(tmp_path: Path, server: Server) -> None:
    words, out = _canaries(tmp_path), tmp_path / f"{CANARY}-run"
    assert run(app, [*words, "--out", str(out), "--track", "mlflow", "--track", "wandb"]) == ExitCode.OK
    assert f"{CANARY}-case" in Path(words[3]).read_text(), "patients have these names"
    rows = [json.loads(line) for line in (out / "fold-0" / "history.jsonl").read_text().splitlines()]
    losses = [(each["step"], each["value"]) for each in server.metrics() if each["key"] == "train/loss"]
    assert losses == [(row["step"], pytest.approx(row["loss"])) for row in rows]
    wandb.teardown()
    (kept,) = out.glob("wandb/offline-run-*/*.wandb")
    sent = {"mlflow": b"\n".join(server.heard), "wandb": kept.read_bytes()}
    for name, content in sent.items():
        assert b"train/loss" in content, name
        assert b"training.batch_size" in content, name
        never = [CANARY, str(tmp_path), tmp_path.name, sys.executable, str(Path(wardround.__file__).parent)]
        assert not [each for each in never if each.encode() in content], name
        of_machine = [_as_field(each) for each in (socket.gethostname(), pwd.getpwuid(os.getuid()).pw_name)]
        assert not [each for fields in of_machine for each in fields if each in content], name
    assert not [*out.glob("wandb/offline-run-*/files/*")], "neither code nor packages nor the command line"


def test_mlflow_goes_on_in_the_same_run(tmp_path: Path) -> None:
    tracker = MLflowTracker(tmp_path / "a run? #1")
    tracker.ready("blobs")
    first = tracker.open(DESCRIBED, None)
    assert first.last_step == 0
    first.add(3, {"train/loss": 0.5, "validation/dice.GM & WM": float("nan")})
    first.close(Ending.STOPPED)
    again = MLflowTracker(tmp_path / "a run? #1").open(DESCRIBED, first.id)
    assert again.last_step == 3
    again.add(6, {"train/loss": 0.25})
    again.conclude(6, {"chosen/test/dice": 0.75})
    again.close(Ending.FINISHED)
    assert (tmp_path / "a run? #1" / DATABASE).exists()
    kept = tracker._client.get_run(first.id)
    assert kept.info.status == "FINISHED"
    assert kept.data.params == {name: str(value) for name, value in SETTINGS.items()}
    assert kept.data.metrics["chosen/test/dice"] == 0.75
    assert "validation/dice.GM and WM" in kept.data.metrics
    assert kept.data.tags == {"wardround.study": "d1" * 32, "mlflow.runName": "fold-0"}


def test_mlflow_is_not_told_again_what_has_arrived_unheard(tmp_path: Path, server: Server) -> None:
    kept = MLflowTracker(tmp_path).open(DESCRIBED, None)
    server.loses_answers = 99
    with pytest.raises(Exception, match="log-batch"):
        kept.add(3, {"train/loss": 0.5})
    arrived = len(server.metrics())
    server.loses_answers = 0
    kept.add(3, {"train/loss": 0.5})
    kept.add(6, {"train/loss": 0.25})
    assert [each["step"] for each in server.metrics()[arrived:]] == [6]


def test_a_run_of_weights_and_biases_can_be_gone_on_with(tmp_path: Path) -> None:
    tracker = WandbTracker(tmp_path)
    tracker.ready("blobs")
    first = tracker.open(DESCRIBED, None)
    first.add(3, {"train/loss": 0.5})
    first.close(Ending.STOPPED)
    time.sleep(1.1)  # its folders are named by the second
    again = tracker.open(DESCRIBED, first.id)
    again.add(6, {"train/loss": 0.25})
    again.conclude(6, {"chosen/test/dice": 0.75})
    again.close(Ending.FINISHED)
    assert again.id == first.id
    wandb.teardown()  # its process has written all when it has ended, as at the end of a command
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("wandb/offline-run-*/*.wandb")))
    assert b"0.5" in content
    assert b"0.25" in content
    assert b"chosen/test/dice" in content


def test_a_server_that_is_gone_is_said_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(InputError) as caught:
        Tracking(("mlflow", "wandb"), tmp_path).require_ready("blobs")
    first, second = caught.value.problems
    assert "MLflow cannot be told of this training" in first.what
    assert "No API key" in str(second.got)
    monkeypatch.setenv("WANDB_MODE", "onlin")
    with pytest.raises(InputError, match="mode"):
        Tracking(("wandb",), tmp_path).require_ready("blobs")


@pytest.mark.slow
def test_folds_side_by_side_are_kept_by_both(tmp_path: Path) -> None:
    words, out = _canaries(tmp_path), tmp_path / "run"
    more = ["--folds", "all", "--threads", "2", "--parallel", "2", "--track", "mlflow", "--track", "wandb"]
    assert run(app, [*words, "--out", str(out), *more]) == ExitCode.OK
    tracker = MLflowTracker(out)
    (experiment,) = [each for each in tracker._client.search_experiments() if each.name == "flat"]
    runs = tracker._client.search_runs([experiment.experiment_id])
    assert {each.info.run_name for each in runs} == {"fold-0", "fold-1", "fold-2"}
    assert {each.info.status for each in runs} == {"FINISHED"}
    assert len([*out.glob("wandb/offline-run-*")]) == 3
    assert all((out / f"fold-{number}" / RECORD).exists() for number in range(3))


def test_names_are_as_mlflow_takes_them() -> None:
    assert metric_name("validation/dice.GM+WM & CSF") == "validation/dice.GMplusWM and CSF"
    assert metric_name("test/nsd.a(b)") == "test/nsd.a_b_"
