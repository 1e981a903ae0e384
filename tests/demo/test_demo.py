"""The demo, small and whole."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from wardround.demo import demo
from wardround.demo.demo import DemoResult, run_demo
from wardround.demo.hospitals import HOSPITALS
from wardround.demo.plan import DemoPlan
from wardround.engine.basics.loudness import as_usual, be_quiet
from wardround.engine.basics.problems import InputError
from wardround.engine.experiments import load_model
from wardround.federation.protocol import Horizon
from wardround.lab.lab import Lab
from wardround.lab.processes import Machine, Program, module_command
from wardround.site_client.events import Role
from wardround.site_client.processes import read_pid


def _check_files(result: DemoResult) -> None:
    page = result.report.read_text()
    assert result.figure.read_bytes().startswith(b"\x89PNG")
    assert "no image shows a patient" in page
    assert "McConnell Brain Imaging Centre" in page
    assert page.count("<img ") == 14
    assert "http" not in re.sub('data:image/[^"]*', "", page).replace("http-equiv", "")
    assert ">Scoring every model on every hospital&#39;s held-back cases</td>" in page
    assert page.count("all sites</li>") == 1
    assert load_model(result.model).study.study == "demo-tissues"
    assert result.table.read_text().count("alone") == 4


@pytest.mark.timeout(1800)
def test_a_shortened_demo_leaves_all_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run_demo(tmp_path / "demo", DemoPlan(rounds=2, local_steps=5, spacing=4))
    _check_files(result)
    assert result.matrix.sites == ("harbour", "meadow", "summit")
    said = " ".join(capfd.readouterr().out.split())
    assert "average of 152 people" in said
    assert all(site in said for site in result.matrix.sites)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_training_together_beats_training_alone(tmp_path: Path) -> None:
    result = run_demo(tmp_path / "demo", DemoPlan())
    _check_files(result)
    assert result.matrix.gain >= 0.02, result.matrix.text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_ends_every_process_of_the_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    program = Program("demo", module_command("wardround.engine.cli", "demo", "--out", out), Machine(), tmp_path / "log")
    works = [out / "federation" / "sites" / hospital.name / "work" for hospital in HOSPITALS]
    while not all(read_pid(work, role) for work in works for role in Role):
        assert program.exit_code is None, (tmp_path / "log").read_text()
        time.sleep(0.2)
    children = psutil.Process(program.pid).children(recursive=True)
    assert len(children) >= 10
    program.send(signal.SIGTERM)
    assert program.wait(60) == 130
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


class _FinishedLab(Lab):
    """A federation that is over at once; it remembers where its live view went."""

    watched: Path | None = None

    def start(self, *, watched: Path | None = None) -> None:
        self.watched = watched

    def wait_finished(self, timeout: float | None = None) -> int:
        return 0


def _acted(folder: Path) -> _FinishedLab:
    """One part of a demo, with a federation in it."""
    lab = _FinishedLab(folder, demo.STUDY, {}, Horizon(rounds=1, local_steps=1))
    with demo._part("A part", {}):
        demo._run_federation(lab)
    return lab


def test_quiet_silences_the_demo_and_the_live_view(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _acted(tmp_path).watched is None
    assert capfd.readouterr().out == "== A part\n"
    be_quiet()
    try:
        assert _acted(tmp_path).watched == tmp_path / "logs" / "aggregator.log"
        told = capfd.readouterr()
    finally:
        as_usual()
    assert (told.out, told.err) == ("", "")


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a demo"):
        run_demo(tmp_path, DemoPlan())
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
