"""What the machine is said to be, and what of it is slow."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from wardround.engine.cli.main import app
from wardround.engine.cli.runner import run
from wardround.engine.training import probe
from wardround.engine.training.probe import Environment, LayoutTiming, Timing, look_around, shortcomings


@pytest.fixture(scope="module")
def found() -> Environment:
    return look_around(torch.device("cpu"))


def test_it_tells_versions_and_times_each_convolution(found: Environment) -> None:
    assert found.packages["numpy"] == version("numpy")
    assert found.machine.torch == torch.__version__
    assert found.machine.threads == torch.get_num_threads()
    assert found.cores >= 1
    assert found.memory > 0
    assert [(each.dimensions, each.precision) for each in found.timings] == [
        (axes, precision) for axes in (2, 3) for precision in ("fp32", "bf16")
    ]
    assert [each.dimensions for each in found.layouts] == [2, 3]
    assert all(min(each.channels_first, each.channels_last) > 0 for each in found.layouts)
    for each in found.timings:
        shape, taps = ((4, 16, 64, 64), 9) if each.dimensions == 2 else ((1, 16, 24, 24, 24), 27)
        operations = 6 * torch.Size(shape).numel() * 16 * taps
        assert each.gigaflops == pytest.approx(operations / each.milliseconds / 1e6)


def _as(found: Environment, bf16: float = 1.0, last: float = 1.0, **changes: Any) -> str:
    """What is said of a machine whose bf16 takes so many times what fp32 takes, and channels last what first take."""
    layouts = tuple(LayoutTiming(dimensions=axes, channels_first=1.0, channels_last=last) for axes in (2, 3))
    timings = tuple(
        Timing(dimensions=axes, precision=name, milliseconds=took, gigaflops=1)
        for axes in (2, 3)
        for name, took in (("fp32", 1.0), ("bf16", bf16))
    )
    known = {"threads": changes.pop("threads", 1), "instructions": changes.pop("instructions", "AVX512")}
    machine = found.machine.model_copy(update=known)
    other = found.model_copy(
        update={"timings": timings, "layouts": layouts, "machine": machine, "onednn": True, **changes}
    )
    return "\n".join(problem.render() for problem in shortcomings(other))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"bf16": 0.5}, ""),
        ({"bf16": 9.0}, "bf16 takes longer than fp32 here (got 9.0 times in 2D and 9.0 times in 3D"),
        ({"onednn": False}, "no oneDNN"),
        ({"threads": 9, "cores": 2}, "Give --threads 2"),
        ({"last": 0.5}, "channels_first, which `training.layout: auto` takes for fp32 in 3D here, is the slower one"),
        ({"last": 2.0}, ""),
        ({"last": 2.0, "instructions": "AVX2"}, "write `layout: channels_first` under `training`"),
    ],
)
def test_what_is_slow_is_said_with_what_to_do(
    found: Environment, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(probe, "_DRIVER", Path("/none"))
    told = _as(found, **changes)
    assert said in told
    assert bool(said) == bool(told)


def test_a_gpu_that_torch_does_not_see_is_told(
    found: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probe, "_DRIVER", tmp_path)
    assert "torch sees no GPU" in _as(found, devices=())
    assert _as(found, devices=("A100, 40 GB",)) == ""


def test_the_command_tells_it_to_people_and_to_programs(
    found: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(probe, "look_around", lambda device: found)
    assert run(app, ["env", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert torch.__version__ in said
    assert "3D bf16" in said
    assert run(app, ["env", "--device", "cpu", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["machine"]["torch"] == torch.__version__
    assert len(told["timings"]) == 4
    assert isinstance(told["warnings"], list)


@pytest.mark.parametrize("wrong", [["--device", "tpu"], ["--threads", "0"]])
def test_what_there_is_not_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["env", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
