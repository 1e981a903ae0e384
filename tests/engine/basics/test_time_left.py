"""The time left of work that goes on in the middle."""

from __future__ import annotations

import pytest

from wardround.engine.basics.progress import _Lines


def test_what_an_earlier_process_did_took_no_time_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hundred steps of a thousand are left, ten seconds each; nine hundred were done before."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    shown = _Lines("Training", 1000)
    for done in (901, 902, 903):
        now += 10.0
        shown.advance(done)
    assert "Training: 903/1000, about 16 min left" in capsys.readouterr().err
