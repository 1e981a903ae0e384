"""The workbench: what it holds, what it refuses, and what it expects a run to take."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.basics import filemarks
from wardround.engine.basics.files import taken_bytes
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Case, Split
from wardround.engine.experiments import Survey, Workbench, estimate
from wardround.engine.experiments.fit import planned_length
from wardround.engine.imaging import holding, rasters
from wardround.engine.store import CaseStore, StoredCase


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workbench")
    flat_cohort(folder / "data")
    return folder


def test_it_holds_every_case_in_its_set(place: Path, tmp_path: Path) -> None:
    bench = Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path, device="cpu")
    assert [len(cases) for cases in (bench.train_cases, bench.validation_cases, bench.test_cases)] == [3, 3, 3]
    assert len({case.digest for case in bench.stored.values()}) == 9
    assert bench.cohort_digest == Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path).cohort_digest


def test_an_estimate_knows_the_runs_length(place: Path, tmp_path: Path) -> None:
    training = flat_study().training.model_copy(update={"steps": None, "epochs": 6})
    study = flat_study().model_copy(update={"training": training})
    survey = Survey.of(study, place / "data" / "data.csv", device="cpu")
    expected = estimate(survey, tmp_path)
    bench = Workbench.fill(survey, tmp_path)
    length = planned_length(bench)
    assert (expected.total_steps, expected.validations) == (length.total_steps, length.validations)
    stored = sum(taken_bytes(case.folder) for case in bench.stored.values())
    assert expected.store_bytes == pytest.approx(stored, rel=0.1)
    assert expected.seconds > 0
    assert expected.disk_bytes > expected.store_bytes


def test_what_only_the_first_case_costs_is_not_reckoned_for_all(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent, open_case = list[float](), CaseStore._open

    def slow_at_first(*arguments: Any) -> StoredCase:
        spent.append(1.0 if spent else 4.0)
        return open_case(*arguments)

    monkeypatch.setattr(CaseStore, "_open", slow_at_first)
    module = importlib.import_module("wardround.engine.experiments.estimate")
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: sum(spent)))
    survey = Survey.of(flat_study(), place / "data" / "data.csv", device="cpu")
    assert estimate(survey, tmp_path).prepare_seconds == len(survey.cohort.cases)


def test_the_same_files_in_two_sets_are_refused(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    for folder in ("images", "labels"):
        shutil.copy(tmp_path / "data" / folder / "case_000.png", tmp_path / "data" / folder / "case_001.png")
    rows = (tmp_path / "data" / "data.csv").read_text().splitlines()
    sets = ["Split", "train", "test", *["validation"] * 3, *["train"] * 4]
    (tmp_path / "data" / "data.csv").write_text(
        "\n".join(f"{row},{name}" for row, name in zip(rows, sets, strict=True))
    )
    with pytest.raises(InputError, match=r"same image as 'case_000' of the training set"):
        Workbench.open(flat_study(), tmp_path / "data" / "data.csv", tmp_path, device="cpu")


def test_an_empty_set_cannot_be_scored(place: Path, tmp_path: Path) -> None:
    bench = Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path, device="cpu")
    bare = bench.with_splits({"": Split(bench.split.train, bench.split.validation, ())})[""]
    with pytest.raises(InputError, match="the test set is empty"):
        bare.evaluate(bare.learner(1), "test")


def test_so_many_cases_are_always_the_same_ones(place: Path, tmp_path: Path) -> None:
    bench = Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path, device="cpu")
    learner = bench.learner(1)
    few = bench.evaluate(learner, "validation", most=2)
    again = bench.evaluate(bench.learner(1), "validation", most=2)
    whole = {case.subject: case.scores for case in bench.evaluate(learner, "validation").cases}
    lowest = sorted(bench.split.validation, key=lambda case: bench.stored[case.subject].digest)[:2]
    assert {case.subject for case in few.cases} == {case.subject for case in lowest}
    assert few == again
    assert all(whole[case.subject] == case.scores for case in few.cases)
    assert len(bench.evaluate(learner, "validation", most=99).cases) == 3


def test_a_part_of_a_set_is_chosen_without_comparing_each_case_with_each(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, compared = Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path, device="cpu"), []
    monkeypatch.setattr(Case, "__eq__", lambda one, other: compared.append(one) or one is other)
    assert len(bench.evaluate(bench.learner(1), "validation", most=2).cases) == 2
    assert compared == []


def test_resuming_reads_no_voxel_and_a_first_run_decodes_each_file_once(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, Path]] = []
    decode, hold = rasters.voxels, holding.HeldSource
    monkeypatch.setattr(
        rasters, "voxels", lambda source, *more: read.append(("decoded", source.path)) or decode(source, *more)
    )
    monkeypatch.setattr(holding, "HeldSource", lambda path: read.append(("read", path)) or hold(path))
    for path in (place / "data").rglob("*.png"):
        os.utime(path, (1e9, 1e9))
    monkeypatch.setattr(filemarks, "SETTLED_SECONDS", 0)
    for _ in range(2):
        Workbench.open(flat_study(), place / "data" / "data.csv", tmp_path, device="cpu")
        assert len(read) == len(set(read)) == 2 * 18
