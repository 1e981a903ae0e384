"""A run gives the same bytes however often it is interrupted, whatever the order of the manifest."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.engine.experiments.cohorts import flat_cohort, flat_study, halves_cohort, halves_study
from tests.support.alive import networks_alive
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.sole import sole
from wardround.engine.experiments.casetables import CASES, read_cases
from wardround.engine.experiments.claims import another_run
from wardround.engine.experiments.fit import RunResult, fit
from wardround.engine.experiments.models import load_model
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.scores import Evaluation
from wardround.engine.study import Study, load_study
from wardround.engine.training import Halted, Learner, read_tensors

WEIGHTS = ("model/model.safetensors", "model/last.safetensors")


def _bytes(folder: Path) -> tuple[bytes, ...]:
    return tuple((folder / name).read_bytes() for name in WEIGHTS)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fit")


@pytest.fixture(scope="module")
def manifest(place: Path) -> Path:
    return flat_cohort(place / "data")


@pytest.fixture(scope="module")
def bench(place: Path, manifest: Path) -> Workbench:
    return Workbench.open(flat_study(), manifest, place / "work", device="cpu")


@pytest.fixture(scope="module")
def uninterrupted(bench: Workbench, place: Path) -> RunResult:
    return fit(bench, place / "uninterrupted")


class _Notes:
    """What whoever watches is told, in turn."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def advance(self, done: int, note: str = "") -> None:
        self.told.append((done, note))


def test_scoring_is_watched_case_by_case(bench: Workbench, tmp_path: Path) -> None:
    notes = _Notes()
    result = fit(bench, tmp_path / "run", notes)
    held, steps = len(bench.test_cases), result.metrics.total_steps
    assert notes.told[-held:] == [(steps, f"scoring test {done} of {held}") for done in range(1, held + 1)]
    assert any(note.endswith(f"validating 1 of {len(bench.validation_cases)}") for _, note in notes.told)


class _Interrupter:
    """Does something once, when a step is reached for the first time."""

    def __init__(self, step: int, note: str = "") -> None:
        self._step, self._note, self.fired = step, note, False

    def advance(self, done: int, note: str = "") -> None:
        if done == self._step and self._note in note and not self.fired:
            self.fired = True
            self.act()

    def act(self) -> None:
        raise KeyboardInterrupt


class _Terminator(_Interrupter):
    def act(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_killed_run_goes_on_to_the_same_weights(bench: Workbench, uninterrupted: RunResult, place: Path) -> None:
    dice = random.Random(7)
    for attempt, steps in enumerate([dice.sample(range(1, 13), 2) for _ in range(4)]):
        folder = place / f"killed-{attempt}"
        for step in sorted(steps):
            with pytest.raises(KeyboardInterrupt):
                fit(bench, folder, _Interrupter(step))
        result = fit(bench, folder)
        assert _bytes(folder) == _bytes(uninterrupted.folder)
        assert result.metrics == uninterrupted.metrics
        assert [row.metrics for row in result.rows] == [row.metrics for row in uninterrupted.rows]
        assert [row.loss for row in result.rows] == [row.loss for row in uninterrupted.rows]


@pytest.mark.parametrize("step", range(1, 13))
def test_a_terminated_run_stops_after_the_step_and_goes_on(
    bench: Workbench, uninterrupted: RunResult, tmp_path: Path, step: int
) -> None:
    with pytest.raises(Halted) as halted:
        fit(bench, tmp_path / "run", _Terminator(step))
    assert halted.value.step == step
    fit(bench, tmp_path / "run")
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted.folder)


def test_an_interruption_while_validating_costs_no_step(
    bench: Workbench, uninterrupted: RunResult, tmp_path: Path
) -> None:
    stop = uninterrupted.rows[1].step
    with pytest.raises(KeyboardInterrupt):
        fit(bench, tmp_path / "run", _Interrupter(stop, "validating"))
    counter = _Steps()
    fit(bench, tmp_path / "run", counter)
    assert min(counter.steps) == stop
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted.folder)


class _Steps:
    def __init__(self) -> None:
        self.steps: list[int] = []

    def advance(self, done: int, note: str = "") -> None:
        self.steps.append(done)


def test_a_damaged_checkpoint_costs_steps_but_no_bit(
    bench: Workbench, uninterrupted: RunResult, tmp_path: Path
) -> None:
    with pytest.raises(Halted):
        fit(bench, tmp_path / "run", _Terminator(uninterrupted.rows[1].step + 1))
    checkpoint = tmp_path / "run" / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-9])
    fit(bench, tmp_path / "run")
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted.folder)


def test_the_order_of_the_manifest_does_not_matter(uninterrupted: RunResult, place: Path, tmp_path: Path) -> None:
    header, *rows = (place / "data" / "data.csv").read_text().splitlines()
    random.Random(3).shuffle(rows)
    shuffled = place / "data" / "shuffled.csv"
    shuffled.write_text("\n".join([header, *rows]) + "\n")
    bench = Workbench.open(flat_study(), shuffled, tmp_path, device="cpu")
    fit(bench, tmp_path / "run")
    assert _bytes(tmp_path / "run") == _bytes(uninterrupted.folder)


def test_how_often_a_run_validates_does_not_change_its_last_weights(
    bench: Workbench, uninterrupted: RunResult, tmp_path: Path
) -> None:
    learner = bench.learner(12)
    learner.train(bench.source(), 0, 12)
    best = uninterrupted.folder / "model" / "last.safetensors"
    from wardround.engine.training import read_tensors

    weights = learner.weights()
    stored = read_tensors(best).tensors
    assert all(bool((stored[name] == weights[name]).all()) for name in weights)


def test_a_finished_run_is_left_alone(bench: Workbench, uninterrupted: RunResult) -> None:
    before = {path: path.stat().st_mtime_ns for path in uninterrupted.folder.rglob("*")}
    counter = _Steps()
    again = fit(bench, uninterrupted.folder, counter)
    assert again == uninterrupted
    assert counter.steps == []
    assert {path: path.stat().st_mtime_ns for path in uninterrupted.folder.rglob("*")} == before


def test_two_do_not_train_in_one_folder(bench: Workbench, tmp_path: Path) -> None:
    with sole(tmp_path / "run"), pytest.raises(InputError, match="another process works in this folder"):
        fit(bench, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_folder_of_another_run_is_refused(bench: Workbench, uninterrupted: RunResult, place: Path) -> None:
    other = Workbench.open(flat_study(seed=1), place / "data" / "data.csv", place / "work", device="cpu")
    with pytest.raises(InputError, match=r"holds another run \(got seed 42 -> 1; expected"):
        fit(other, uninterrupted.folder)
    write_atomic(place / "odd" / "run.json", b"{}")
    with pytest.raises(InputError, match="file of a run is damaged"):
        fit(bench, place / "odd")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "of an earlier release"])
def test_what_differs_from_another_run_is_counted_and_named(
    kept: bool, uninterrupted: RunResult, tmp_path: Path
) -> None:
    folder = shutil.copytree(uninterrupted.folder, tmp_path / "run")
    if not kept:
        (folder / "run.yaml").unlink()
    own = load_study(folder / "model" / "study.yaml")
    validation = own.validation.model_copy(update={"outer_folds": 9})
    other = own.model_copy(update={"seed": 9, "validation": validation})
    told = another_run(folder, other, cohort=True, steps=(1, 77)).render()
    assert re.search(r"validation.outer_folds \d+ -> 9; seed 42 -> 9; expected|seed 42 -> 9; .*folds \d+ -> 9;", told)
    assert "the table has other cases" in another_run(folder, own, cohort=False, steps=(1, 1)).render()
    assert "got steps 1 -> 2;" in another_run(folder, own, cohort=True, steps=(1, 2)).render()
    assert "got other sets of the same cases;" in another_run(folder, own, cohort=True, steps=(1, 1)).render()


@pytest.mark.parametrize("name", ["run.json", "history.jsonl", "model/metrics.json"])
def test_a_damaged_file_of_a_finished_run_is_named(
    name: str, bench: Workbench, uninterrupted: RunResult, tmp_path: Path
) -> None:
    shutil.copytree(uninterrupted.folder, tmp_path / "run")
    damaged = bytearray((tmp_path / "run" / name).read_bytes())
    damaged[len(damaged) // 4] ^= 0x80
    (tmp_path / "run" / name).write_bytes(damaged)
    with pytest.raises(InputError, match=f"{name}: this file of a run is damaged"):
        fit(bench, tmp_path / "run")


def test_a_model_folder_names_no_subject_and_no_path(uninterrupted: RunResult, bench: Workbench, place: Path) -> None:
    assert {path.name for path in uninterrupted.model.iterdir()} == {
        "study.yaml",
        "model.safetensors",
        "last.safetensors",
        "metrics.json",
    }
    words = [case.subject for case in bench.cohort.cases] + [str(place), place.name, "data.csv"]
    for path in uninterrupted.model.iterdir():
        assert not [word for word in words if word.encode() in path.read_bytes()]


def test_history_has_a_row_for_each_validation(uninterrupted: RunResult) -> None:
    lines = (uninterrupted.folder / "history.csv").read_text().splitlines()
    assert lines[0].startswith("step,epoch,loss,learning_rate,seconds,dice,dice.blob,hd95")
    assert len(lines) == len(uninterrupted.rows) + 1
    assert uninterrupted.rows[-1].step == 12
    assert len((uninterrupted.folder / "history.jsonl").read_text().splitlines()) == len(uninterrupted.rows)
    assert list((uninterrupted.folder / "tensorboard").iterdir())
    assert not (uninterrupted.folder / "checkpoint.safetensors").exists()


def test_the_best_validation_is_kept(uninterrupted: RunResult, bench: Workbench) -> None:
    scores = [row.metrics.get("dice", -1.0) for row in uninterrupted.rows]
    assert uninterrupted.metrics.best_step == uninterrupted.rows[scores.index(max(scores))].step
    cases = read_cases(uninterrupted.folder / CASES)
    assert {case.subject for case in cases["test"]} == {case.subject for case in bench.split.test}
    assert uninterrupted.metrics.test is not None
    assert uninterrupted.metrics.test.cases == len(bench.test_cases)


def test_a_metric_that_is_better_when_lower_selects_the_lowest(manifest: Path, tmp_path: Path) -> None:
    validation = {"outer_folds": 3, "inner_folds": 2, "metrics": ["hd95"], "select": "hd95"}
    study = flat_study(validation=validation)
    bench = Workbench.open(study, manifest, tmp_path / "work", device="cpu")
    result = fit(bench, tmp_path / "run")
    scores = [row.metrics["hd95"] for row in result.rows]
    assert result.metrics.best_step == result.rows[scores.index(min(scores))].step


@pytest.mark.parametrize(
    ("study", "write", "metric", "least"),
    [
        (flat_study(training=flat_study().training.model_copy(update={"steps": 80})), flat_cohort, "dice", 0.8),
        (halves_study(), halves_cohort, "accuracy", 0.9),
    ],
)
def test_it_learns(study: Study, write: object, metric: str, least: float, tmp_path: Path) -> None:
    assert callable(write)
    bench = Workbench.open(study, write(tmp_path / "data"), tmp_path, device="cpu")
    result = fit(bench, tmp_path / "run")
    assert result.metrics.test is not None
    assert result.metrics.test.values[metric] > least


def test_a_folds_network_is_gone_before_the_next(bench: Workbench, tmp_path: Path) -> None:
    splits = bench.with_splits({"fold-0": bench.split, "fold-1": bench.split})
    with networks_alive() as counts:
        for name, one in splits.items():
            fit(one, tmp_path / name)
    assert counts == [0, 0]


def test_the_model_has_the_weights_of_the_best_validation_also_when_the_last_ones_are_others(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, scored = iter([0.2, 0.9, 0.4, 0.3, 0.9, 0.8]), list[dict[str, Tensor]]()

    def noted(self: Workbench, learner: Learner, *words: Any, **more: Any) -> Evaluation:
        scored.append(learner.weights())
        return evaluate(self, learner, *words, **more)

    evaluate = Workbench.evaluate
    monkeypatch.setattr(Workbench, "evaluate", noted)
    monkeypatch.setattr(import_module(fit.__module__), "defined", lambda _: {"dice": next(scores)})
    with pytest.raises(KeyboardInterrupt):
        fit(bench, tmp_path / "run", _Interrupter(8))
    result = fit(bench, tmp_path / "run")
    assert result.metrics.best_step == 6
    best, last = (read_tensors(tmp_path / "run" / name) for name in WEIGHTS)
    assert isinstance(best.header, dict)
    assert isinstance(last.header, dict)
    assert (best.header["step"], last.header["step"]) == (6, 12)
    halfway = bench.learner(12)
    halfway.train(bench.source(), 0, 6)
    loaded = load_model(result.model, device="cpu").network.state_dict()
    for weights in (best.tensors, scored[-1], scored[-2], loaded):
        assert _equal(weights, halfway.weights())
    assert not _equal(last.tensors, halfway.weights())


def _equal(some: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)
