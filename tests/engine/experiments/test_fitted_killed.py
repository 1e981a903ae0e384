"""A process that is killed while it fits preprocessing leaves what it has found, and the same command ends the same."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from wardround.engine.experiments.models import write_study
from wardround.engine.experiments.states import STATE
from wardround.lab.processes import Machine, Program, module_command

pytestmark = pytest.mark.slow
PATIENCE = 120
LAST = Path("fold-0", "model", "last.safetensors")


def _fit(place: Path, out: Path) -> Program:
    words = ("fit", place / "study.yaml", "--manifest", place / "data.csv", "--out", out, "--threads", "1")
    command = module_command("wardround.engine.cli", *words, "--device", "cpu")
    return Program("fit", command, Machine(threads=1), out.with_name(f"{out.name}.log"))


def _answers(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (out / "store" / "summaries").rglob("*.json")}


@pytest.mark.timeout(4 * PATIENCE)
def test_the_same_weights_and_no_question_twice(tmp_path: Path) -> None:
    flat_cohort(tmp_path, cases=40)
    fitted = [{"cohort_clip": {"within": "foreground"}}, {"cohort_normalize": {"within": "foreground"}}]
    write_study(tmp_path / "study.yaml", flat_study(preprocessing=fitted))
    _fit(tmp_path, tmp_path / "undisturbed").finish()
    killed = tmp_path / "killed"
    program = _fit(tmp_path, killed)
    deadline = time.monotonic() + PATIENCE
    while not _answers(killed) and time.monotonic() < deadline:
        time.sleep(0.001)
    program.send(signal.SIGKILL)
    program.wait(PATIENCE)
    before = _answers(killed)
    assert before
    assert not (killed / "fold-0" / "run.json").exists(), "the run had begun before it was killed"
    _fit(tmp_path, killed).finish()
    assert before.items() <= _answers(killed).items()
    for name in (LAST, LAST.with_name("model.safetensors"), LAST.with_name(STATE)):
        assert (killed / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
