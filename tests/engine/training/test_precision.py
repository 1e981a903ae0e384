"""Devices, number formats and the determinism guard."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from wardround.engine.basics.problems import InputError
from wardround.engine.networks.precision import autocast, plain_fp32, resolve_precision
from wardround.engine.training.precision import (
    configure_threads,
    reproducible,
    resolve_device,
)

CPU = torch.device("cpu")


def test_the_cpu_computes_in_fp32_unless_told() -> None:
    assert resolve_precision("auto", CPU) == "fp32"
    assert resolve_precision("bf16", CPU) == "bf16"
    layer = torch.nn.Linear(2, 2)
    with autocast("bf16", CPU):
        assert layer(torch.zeros(1, 2)).dtype == torch.bfloat16
    with autocast("fp32", CPU):
        assert layer(torch.zeros(1, 2)).dtype == torch.float32


@pytest.mark.parametrize("name", ["cuda:999", "gpu", "cpu:0", ""])
def test_a_device_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no such device"):
        resolve_device(name)


def _fail_inside() -> None:
    with reproducible(CPU):
        assert torch.are_deterministic_algorithms_enabled()
        torch.manual_seed(1)
        torch.rand(10)
        raise ZeroDivisionError


def test_the_guard_leaves_nothing_behind() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        _fail_inside()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
    assert torch.equal(before, torch.get_rng_state())


def test_the_thread_budget_is_set_and_told() -> None:
    before = torch.get_num_threads()
    try:
        assert configure_threads(1) == 1
        assert configure_threads(None) == 1
        with pytest.raises(InputError, match="with so few threads"):
            configure_threads(0)
    finally:
        torch.set_num_threads(before)


def test_fp32_is_not_rounded_to_tf32_while_a_block_computes() -> None:
    backends: Any = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    with plain_fp32():
        assert {place.fp32_precision for place in places} == {"ieee"}
    assert [place.fp32_precision for place in places] == before
    with reproducible(CPU):
        assert {place.fp32_precision for place in places} == {"ieee"}
    assert [place.fp32_precision for place in places] == before


def test_cublas_is_told_to_repeat_itself_before_cuda_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8")
    assert resolve_device("auto") == torch.device("cuda", 0)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    assert resolve_device("cpu") == CPU
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
