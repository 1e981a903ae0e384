"""Goals are told where they are missed, and one that is missed stops no other measurement."""

from __future__ import annotations

import sys

import pytest

from benchmarks import __main__ as bench
from benchmarks.goals import Goal, verdict


def test_missed_goals_are_told_with_their_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    kept = [Goal("speed", 2.0, least=2.0), Goal("memory", 0.5, most=0.5)]
    assert verdict(kept) == 0
    assert capsys.readouterr().out == ""
    assert verdict([*kept, Goal("speed", 1.4, least=1.5), Goal("seconds", float("nan"), least=0, most=3)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "missed: speed 1.40 (goal: at least 1.5)",
        "missed: seconds nan (goal: at least 0 and at most 3)",
    ]


def test_every_measurement_runs_and_what_was_missed_is_told_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs = {
        "slow": "print('a table'); print('missed: speed 1.40 (goal: at least 1.5)'); raise SystemExit(1)",
        "broken": "raise SystemExit(3)",
        "good": "print('another table')",
    }

    def measured(words: list[str]) -> list[str]:
        return run([sys.executable, "-c", programs[words[-1].removeprefix("benchmarks.")]])

    run = bench.measured
    monkeypatch.setattr(bench, "MEASUREMENTS", tuple(programs))
    monkeypatch.setattr(bench, "measured", measured)
    monkeypatch.setattr("sys.argv", ["benchmarks"])
    assert bench.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "== slow",
        "a table",
        "missed: speed 1.40 (goal: at least 1.5)",
        "== broken",
        "== good",
        "another table",
        "== 2 missed",
        "slow: speed 1.40 (goal: at least 1.5)",
        "broken: it ended with exit code 3",
    ]
    monkeypatch.setattr("sys.argv", ["benchmarks", "good"])
    assert bench.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "== every goal was reached"


def test_an_unknown_measurement_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "start_down"])
    assert bench.main() == 2
    assert "unknown measurement start_down" in capsys.readouterr().err
