"""The demo, small and whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.engine.basics.problems import InputError
from wardround.engine.experiments import load_model
from wardround.simulation.demo import DemoPlan, DemoResult, run_demo


def _check_files(result: DemoResult) -> None:
    page = result.report.read_text()
    assert result.figure.read_bytes().startswith(b"\x89PNG")
    assert "no image shows a patient" in page
    assert "McConnell Brain Imaging Centre" in page
    assert page.count("<img ") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert load_model(result.model).study.study == "demo-tissues"
    assert result.table.read_text().count("alone") == 4


def test_a_short_demo_leaves_table_figure_report_and_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run_demo(tmp_path / "demo", DemoPlan(rounds=1, local_steps=2))
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


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="not a demo"):
        run_demo(tmp_path, DemoPlan())
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
