"""Progress off a terminal is a plain line now and then, with the time that is left."""

from __future__ import annotations

import itertools

import pytest

from wardround.engine.basics import progress as module
from wardround.engine.basics.progress import Silent, progress


def test_lines_come_every_two_seconds_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    with progress("Reading", 10) as shown:
        for done in range(1, 6):
            shown.advance(done, f"case {done}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Reading: 2/10, about 8 s left case 2", "Reading: 4/10, about 6 s left case 4"]


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    Silent().advance(1, "note")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: True, raising=False)
    with progress("Reading", 2) as shown:
        shown.advance(2, "last")
    assert "2/2" in capsys.readouterr().err
