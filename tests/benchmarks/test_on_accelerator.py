"""The measurements for accelerators say plainly when there is none, and each of them runs as far as a CPU lets it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from benchmarks import on_accelerator
from benchmarks.loop_efficiency import STUDY, stored_cases
from wardround.engine.study import load_study


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "cpu", "auto", "mps", ""])
def test_without_an_accelerator_nothing_is_measured_and_that_is_said(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["on_accelerator", "--device", name])
    assert on_accelerator.main() == on_accelerator.NOTHING_MEASURED == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"there is no accelerator called {name!r} here: nothing was measured" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_every_check_runs(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a CPU in the device's place, so that the script is not first tried where time on it is dear."""
    paper = SimpleNamespace(
        synchronize=lambda device: None,
        set_sync_debug_mode=lambda mode: None,
        reset_peak_memory_stats=lambda device: None,
        max_memory_allocated=lambda device: 1e6,
    )
    monkeypatch.setattr(on_accelerator, "_cuda", paper)
    cases = stored_cases(tmp_path_factory.mktemp("cases"), 3)
    on_accelerator.measure(on_accelerator.Ground(torch.device("cpu"), load_study(STUDY), cases, 1))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == [check.__name__ for check in on_accelerator.CHECKS]
    assert not any("Error" in line for line in lines), lines
    assert "ok   parity" in "\n".join(lines)
