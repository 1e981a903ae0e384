"""The measurement for accelerators gives every way the same work, and runs on a CPU too."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import gpu as bench
from benchmarks.loop_efficiency import stored_cases


def test_every_way_that_needs_no_compiler_runs_and_is_held_against_the_bare_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ground = bench.Ground(torch.device("cpu"), bench.study_of(16), stored_cases(tmp_path, 2))
    found = bench.measure(ground, ["bare", "bare channels_last", "wardround"], blocks=1, steps=1)
    assert capsys.readouterr().out == ""
    assert [each.name for each in found] == ["bare", "bare channels_last", "wardround"]
    assert found[0].speed == 1.0
    assert all(each.steps > 0 and each.peak is None for each in found)
    assert [each.waited > 0 for each in found] == [False, False, True]


def test_a_layout_is_that_of_the_images(tmp_path: Path) -> None:
    ground = bench.Ground(torch.device("cpu"), bench.study_of(16), stored_cases(tmp_path, 2))
    plain, last = (ground.batches(layout)[0] for layout in (torch.contiguous_format, torch.channels_last_3d))
    assert torch.equal(plain.image, last.image)
    assert last.image.is_contiguous(memory_format=torch.channels_last_3d)
    assert plain.image.is_contiguous()


def test_a_way_that_cannot_run_is_told_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(network: torch.nn.Module) -> torch.nn.Module:
        raise RuntimeError("no compiler\nand a long tale")

    monkeypatch.setattr(bench, "WAYS", {"bare": bench.Ours(), "bare compiled": bench.Bare(made=broken)})
    ground = bench.Ground(torch.device("cpu"), bench.study_of(16), stored_cases(tmp_path, 2))
    found = bench.measure(ground, ["bare", "bare compiled"], blocks=1, steps=1)
    assert [each.name for each in found] == ["bare"]
    assert capsys.readouterr().out == "bare compiled cannot run here: RuntimeError: no compiler\n"
    assert bench.measure(ground, ["bare compiled"], blocks=1, steps=1) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ways", "quick"], "unknown way quick"),
        (["--side", "40"], "--side is a multiple of 16"),
        (["--blocks", "0"], "at least 1"),
        (["--device", "cuda:9"], "nothing was measured"),
    ],
)
def test_what_cannot_be_measured_is_said(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", *words])
    with pytest.raises(SystemExit) as end:
        raise SystemExit(bench.main())
    assert end.value.code == 2
    assert said in capsys.readouterr().err
