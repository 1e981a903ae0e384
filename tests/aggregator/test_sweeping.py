"""What a killed aggregator left half-written is gone at the next start; nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.aggregator.home import make_home
from tests.aggregator.test_resume import SimulatedCrashError
from wardround.aggregator import run
from wardround.engine.basics import files
from wardround.engine.basics.files import write_atomic
from wardround.lab.processes import free_port


def test_left_overs_of_every_folder_are_swept_at_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_home(tmp_path, free_port())
    swept = [
        tmp_path / folder / name
        for folder in ("state", "state/rounds/0001/inbox/north/reply", "state/models", "results", "results/best")
        for name in (".result.json.0123456789ab.tmp", ".0123456789abcdef.safetensors.0123456789ab.tmp")
    ]
    kept = [tmp_path / "results" / name for name in ("notes.tmp", ".hidden", "history.csv")]
    # Commands write there while an aggregator runs.
    kept += [tmp_path / folder / ".roster.json.0123456789ab.tmp" for folder in ("keys", ".")]
    for path in (*swept, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    monkeypatch.setattr(run, "_play", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run.run_federation(config) == 130
    assert [path for path in swept if path.exists()] == []
    assert all(path.exists() for path in kept)


def test_a_write_that_is_killed_leaves_what_the_sweep_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of left-overs are those that writing gives, also to long and strange names."""
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(SimulatedCrashError))
    for name in ("result.json", "x" * 200, ".hidden", "with\nline", f"{'a' * 64}.safetensors"):
        with pytest.raises(SimulatedCrashError):
            write_atomic(tmp_path / name, b"half")
    assert len(list(tmp_path.iterdir())) == 5
    monkeypatch.undo()
    assert len(files.sweep_left_overs(tmp_path)) == 5
    assert list(tmp_path.iterdir()) == []
