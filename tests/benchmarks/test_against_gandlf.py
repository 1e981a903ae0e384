"""The measurement against GaNDLF gives both the same work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import against_gandlf as bench
from tests.support.commands import run_wardround
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.cohort.folds import split_cohort
from wardround.engine.study import load_study


def test_a_study_has_the_network_and_the_length_of_gandlfs_configuration(tmp_path: Path) -> None:
    table = bench.write_solid(tmp_path / "data", cases=8, side=32)
    path = bench.write_settings(tmp_path / "settings", bench.SOLID, table)
    study = load_study(path)
    model = study.model.parameters.model_dump()
    assert (study.model.name, model["filters"], model["norm"], study.patches.size) == ("unet", 8, "instance", (32,) * 3)
    assert (study.training.epochs, study.training.batch_size, study.patches.per_case) == (2, 2, 5)
    assert (study.training.optimizer.name, study.training.schedule.name) == ("adam", "constant")
    assert study.training.validate_every == 1
    split = split_cohort(study, read_manifest(table, study, truth=Truth.REQUIRED))
    # A quarter is GaNDLF's `validation: -4`, and none its `testing: 1`.
    assert (len(split.train), len(split.validation), len(split.test)) == (6, 2, 0)
    outcome = run_wardround("check", path, "--manifest", table)
    assert outcome.code == 0, outcome.err


def test_ratios_are_medians_of_those_within_each_turn() -> None:
    theirs = [bench.Cost(20, 30, 1400), bench.Cost(10, 10, 1400), bench.Cost(90, 60, 1400)]
    ours = [bench.Cost(10, 10, 700), bench.Cost(10, 10, 700), bench.Cost(10, 10, 700)]
    assert bench.ratios({bench.THEIRS: theirs, bench.OURS: ours}) == {"wall": 2.0, "cpu": 3.0, "peak": 2.0}


def test_a_command_is_measured_by_itself_and_one_that_fails_ends_it(tmp_path: Path) -> None:
    cost = bench.run([sys.executable, "-c", "sum(range(3_000_000))"], tmp_path / "log", 1)
    assert 0 < cost.cpu < 60
    assert cost.peak > 5
    with pytest.raises(SystemExit, match="the reason"):
        bench.run([sys.executable, "-c", "import sys; sys.exit('the reason')"], tmp_path / "log", 1)


def test_a_table_keeps_its_cells_and_names_files_wherever_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "one.nii.gz").write_bytes(b"")
    (tmp_path / "data.csv").write_text("\ufeffSubjectID,Channel_0,Age\na,one.nii.gz,3\nb,two.nii.gz,4\n\n")
    written = bench.with_sets(tmp_path / "data.csv", tmp_path / "out.csv").read_text().splitlines()
    assert written == ["SubjectID,Channel_0,Age,Split", f"a,{tmp_path}/one.nii.gz,3,train", "b,two.nii.gz,4,train"]


def test_goals_are_held_against_ratios() -> None:
    held = {goal.what: goal.holds for goal in bench.goals("solid", {"wall": 1.6, "cpu": 9.0, "peak": 2.0})}
    assert list(held.values()) == [False, True]
    assert set(bench.GOALS) >= {"solid", "flat", "infer", "hippocampus"}
