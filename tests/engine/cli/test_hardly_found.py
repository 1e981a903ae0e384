"""A class that is hardly found is told at the command and on the page, however high an accuracy is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import halves_cohort, halves_study
from wardround.engine.cli.main import app
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.experiments.models import write_study
from wardround.engine.report import runs

SENTENCE = "no case was taken for 'right', of which there are 12"


def test_an_evaluation_says_which_class_is_not_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(tmp_path / "study.yaml", halves_study())
    manifest = halves_cohort(tmp_path / "data")
    subjects = [row.split(",")[0] for row in manifest.read_text().splitlines()[1:]]
    rows = [f"{subject},0.9,0.1" for subject in subjects]
    (tmp_path / "predictions.csv").write_text(
        "\n".join(["SubjectID,Probability_left,Probability_right", *rows]), encoding="utf-8"
    )
    call = ["evaluate", str(tmp_path / "study.yaml"), "--manifest", str(manifest), "--predictions", str(tmp_path)]
    assert run(app, [*call, "--out", str(tmp_path / "scores"), "--json"]) == ExitCode.OK
    told = capsys.readouterr()
    assert json.loads(told.out)["warnings"] == [SENTENCE]
    assert f"warning: {SENTENCE}" in told.err
    page = (tmp_path / "scores" / "report.html").read_text()
    assert 0 < page.index("<strong>Warning:</strong> no case was taken for") < page.index("<table")
    assert "How the classes are told apart" in page


def test_a_training_says_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runs, "warnings_of", lambda *_: [SENTENCE])
    write_study(tmp_path / "study.yaml", halves_study())
    manifest = halves_cohort(tmp_path / "data", cases=12)
    call = ["fit", str(tmp_path / "study.yaml"), "--manifest", str(manifest), "--out", str(tmp_path / "run")]
    assert run(app, [*call, "--steps", "1", "--threads", "1", "--device", "cpu"]) == ExitCode.OK
    assert f"warning: fold-0: {SENTENCE}" in capsys.readouterr().err
    page = (tmp_path / "run" / "fold-0" / "report.html").read_text()
    assert page.index("<strong>Warning:</strong>") < page.index("<h2>")
    assert "How the classes are told apart" in page
