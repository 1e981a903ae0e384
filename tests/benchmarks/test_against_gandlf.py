"""The measurement against GaNDLF gives both the same work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import against_gandlf as bench
from tests.support.commands import run_wardround
from wardround.engine.study import load_study


def test_a_study_has_the_network_and_the_length_of_gandlfs_configuration(tmp_path: Path) -> None:
    table = bench.write_solid(tmp_path / "data", cases=5, side=32)
    path = bench.write_settings(tmp_path / "settings", bench.SOLID, table)
    study = load_study(path)
    model = study.model.parameters.model_dump()
    assert (study.model.name, model["filters"], model["norm"], study.patches.size) == ("unet", 8, "instance", (32,) * 3)
    assert (study.training.epochs, study.training.batch_size, study.patches.per_case) == (2, 2, 5)
    assert (study.training.optimizer.name, study.training.schedule.name) == ("adam", "constant")
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
