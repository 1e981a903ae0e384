"""`torchrun -m wardround fit`: two processes make the run of one; stopped, it goes on with another number of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.models import write_study
from wardround.engine.training import read_tensors
from wardround.lab.processes import free_port

PLAIN: dict[str, Any] = {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2}
"""Without dropout, of which each process has its own draws."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("together")
    training = {"loss": "dice_ce", "batch_size": 4, "steps": 40, "optimizer": {"name": "sgd", "learning_rate": 0.1}}
    fitted = [{"cohort_normalize": {"within": "all"}}]
    write_study(folder / "study.yaml", flat_study(model=PLAIN, training=training, preprocessing=fitted))
    flat_cohort(folder / "data")
    return folder


def _words(place: Path, out: Path, *more: str) -> list[str]:
    study, manifest = str(place / "study.yaml"), str(place / "data" / "data.csv")
    return ["fit", study, "--manifest", manifest, "--out", str(out), "--device", "cpu", "--threads", "1", *more]


def _start(words: list[str], count: int = 2) -> list[subprocess.Popen[bytes]]:
    """The processes that `torchrun` would start."""
    told = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "wardround", *words],
            env=os.environ | told | {"RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(count)
    ]


def _ends(processes: list[subprocess.Popen[bytes]]) -> list[tuple[int, str]]:
    said = [process.communicate() for process in processes]
    return [(process.returncode, (out + err).decode()) for process, (out, err) in zip(processes, said, strict=True)]


def _weights(out: Path, name: str) -> dict[str, torch.Tensor]:
    return dict(read_tensors(out / name / "model" / "last.safetensors").tensors)


@pytest.fixture(scope="module")
def alone(place: Path) -> Path:
    assert run(app, _words(place, place / "alone", "--folds", "all")) == ExitCode.OK
    return place / "alone"


def _is_that_of_one(out: Path, alone: Path) -> bool:
    names = [path.name for path in sorted(alone.glob("fold-*"))]
    pairs = [(_weights(out, name), _weights(alone, name)) for name in names]
    return len(pairs) == 3 and all(
        torch.allclose(weight, other[name], atol=1e-4) for one, other in pairs for name, weight in one.items()
    )


def test_two_processes_make_the_run_of_one_and_the_first_alone_speaks(place: Path, alone: Path, tmp_path: Path) -> None:
    (code, said), (other_code, other_said) = _ends(_start(_words(place, tmp_path / "run", "--folds", "all")))
    assert (code, other_code) == (ExitCode.OK, ExitCode.OK), said
    assert other_said == ""
    assert "dice" in said
    assert _is_that_of_one(tmp_path / "run", alone)
    assert '"processes":2' in (tmp_path / "run" / "fold-1" / "run.json").read_text()


def test_a_run_that_two_began_is_ended_by_one(place: Path, alone: Path, tmp_path: Path) -> None:
    words = _words(place, tmp_path / "run", "--folds", "all")
    processes = _start(words)
    while processes[0].poll() is None and not (tmp_path / "run" / "fold-1" / "checkpoint.safetensors").exists():
        time.sleep(0.01)
    for process in processes:
        process.send_signal(signal.SIGTERM)
    (code, said), (other_code, other_said) = _ends(processes)
    assert (code, other_code) == (ExitCode.INTERRUPTED, ExitCode.INCOMPLETE), said
    assert "the same command goes on" in said
    assert other_said == ""
    assert run(app, words) == ExitCode.OK
    assert _is_that_of_one(tmp_path / "run", alone)


def test_what_keeps_the_first_from_it_ends_all(place: Path, tmp_path: Path) -> None:
    (code, said), *others = _ends(_start(_words(place, tmp_path / "run"), count=3))
    assert code == ExitCode.BAD_INPUT
    assert others == [(ExitCode.INCOMPLETE, "")] * 2
    assert "a batch cannot be divided among the processes (got 4; expected a multiple of 3" in said
    assert not (tmp_path / "run").exists()
