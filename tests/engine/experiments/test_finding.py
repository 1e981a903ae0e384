"""Finders of a learning rate and of a batch size, and the record of a few steps."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import run
from wardround.engine.experiments import finding
from wardround.engine.experiments.finding import SizeTried, Tried, find_batch_size, find_learning_rate
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.training import Learner

TRAINING = {"loss": "dice_ce", "optimizer": {"name": "sgd", "learning_rate": 0.02}, "batch_size": 2, "steps": 12}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("finding")


@pytest.fixture(scope="module")
def manifest(place: Path) -> Path:
    return flat_cohort(place / "data")


@pytest.fixture(scope="module")
def bench(place: Path, manifest: Path) -> Workbench:
    return Workbench.open(flat_study(training=TRAINING), manifest, place / "work", device="cpu")


def test_rates_rise_by_the_same_factor_and_the_same_is_found_again(bench: Workbench) -> None:
    seen = list[float]()

    class Watching:
        def advance(self, done: int, note: str = "") -> None:
            seen.append(done)

    first, second = find_learning_rate(bench, 40, Watching()), find_learning_rate(bench, 40)
    assert first == second
    rates = [each.rate for each in first.tried]
    assert rates[0] == pytest.approx(finding.LOWEST)
    factors = {round(after / before, 6) for before, after in pairwise(rates)}
    assert len(factors) == 1
    assert seen == [*range(1, len(rates) + 1)]
    assert first.best in rates


def test_the_steepest_fall_of_a_made_up_curve_is_found(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses that fall only while the rate is between 1e-4 and 1e-2, and explode above 0.1."""

    def loss(self: Learner, source: Any, start: int, stop: int) -> float:
        rate = self.learning_rate(start)
        return 1.0 if rate < 1e-4 else 0.5 if rate < 1e-1 else 50.0

    monkeypatch.setattr(Learner, "train", loss)
    found = find_learning_rate(bench, 100)
    assert 1e-4 <= found.best <= 3e-4
    assert found.tried[-1].rate < 0.5, "no rate is tried once the loss has exploded"


def test_a_loss_that_never_falls_is_told(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learner, "train", lambda self, source, start, stop: 1.0 + start)
    with pytest.raises(InputError, match="no learning rate of those that were tried lowers the loss"):
        find_learning_rate(bench, 40)
    with pytest.raises(InputError, match="lowers the loss"):
        finding._steepest([Tried(1e-7, 1.0, 1.0)])


def test_an_optimiser_that_finds_its_own_steps_is_refused(place: Path, manifest: Path) -> None:
    study = flat_study(training={**TRAINING, "optimizer": "rprop", "schedule": "constant"})
    with pytest.raises(InputError, match="'rprop' finds its own steps"):
        find_learning_rate(Workbench.open(study, manifest, place / "work", device="cpu"), 20)


def test_batch_sizes_double_up_to_the_most(bench: Workbench) -> None:
    found = find_batch_size(bench, 5)
    assert [each.size for each in found.tried] == [1, 2, 4]
    assert all(each.seconds > 0 and each.memory > 0 for each in found.tried)
    assert found.best in (1, 2, 4)
    assert found.end == "5 is the most that was asked for"


def _sizes(monkeypatch: pytest.MonkeyPatch, memory: dict[int, int], fits: int = 99) -> None:
    def tried(bench: Workbench, size: int) -> SizeTried:
        if size > fits:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return SizeTried(size, {1: 1.0, 2: 0.52, 4: 0.5}.get(size, 0.5), memory[size])

    monkeypatch.setattr(finding, "_try_size", tried)
    monkeypatch.setattr(finding, "available_bytes", lambda: 0)


def test_a_size_that_would_not_fit_is_not_tried(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    _sizes(monkeypatch, {1: 100, 2: 200, 4: 400})
    monkeypatch.setattr(finding, "_room", lambda device, tried: 850)
    found = find_batch_size(bench, 64)
    assert [each.size for each in found.tried] == [1, 2, 4]
    assert found.end.startswith("8 would need about")
    assert found.best == 2, "within a twentieth of the quickest"


def test_memory_that_ends_ends_the_search(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    _sizes(monkeypatch, dict.fromkeys((1, 2, 4, 8), 100), fits=2)
    monkeypatch.setattr(finding, "_room", lambda device, tried: 1e9)
    assert find_batch_size(bench, 64).end == "4 does not fit into memory"
    _sizes(monkeypatch, {}, fits=0)
    with pytest.raises(InputError, match="not even one sample fits"):
        find_batch_size(bench, 64)


def test_a_defect_is_not_taken_for_memory(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(bench: Workbench, size: int) -> SizeTried:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(finding, "_try_size", defect)
    with pytest.raises(RuntimeError, match="mat1"):
        find_batch_size(bench, 4)


@pytest.fixture(scope="module")
def study(place: Path) -> Path:
    path = place / "study.yaml"
    path.write_bytes(canonical_model(flat_study(training=TRAINING)))  # JSON is YAML
    return path


def test_the_commands_say_what_to_write(
    study: Path, manifest: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [str(study), "--manifest", str(manifest), "--work", str(place / "work"), "--device", "cpu"]
    assert run(app, ["find", "learning-rate", *common, "--steps", "30"]) == 0
    assert "write `learning_rate: " in capsys.readouterr().out
    assert run(app, ["find", "batch-size", *common, "--most", "2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["batch_size"] in (1, 2)
    trace = place / "trace.json"
    assert run(app, ["profile", *common, "--steps", "1", "--out", str(trace)]) == 0
    assert "convolution" in capsys.readouterr().out
    assert json.loads(trace.read_text())["traceEvents"]
    assert run(app, ["profile", *common, "--out", str(trace)]) == 2
    assert "something of this name is there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["find", "learning-rate", "--steps", "3"],
        ["find", "batch-size", "--most", "0"],
        ["find", "batch-size", "--device", "tpu"],
        ["profile", "--steps", "0"],
    ],
)
def test_options_without_sense_are_told_with_all_else(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = 1 if wrong[0] == "profile" else 2
    command = [*wrong[:words], "none.yaml", "--manifest", "none.csv", *wrong[words:]]
    assert run(app, command) == 2
    told = capsys.readouterr().err
    assert wrong[words] in told
    assert "none.yaml" in told
    assert "none.csv" in told
