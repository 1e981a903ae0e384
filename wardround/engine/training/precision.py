"""Where the network computes, with how many threads, and that it computes the same every time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from wardround.engine.basics.problems import InputError
from wardround.engine.networks.precision import plain_fp32

_REPRODUCIBLE_CUBLAS = ":4096:8"
"""Eight buffers of 4 MiB; without fixed ones cuBLAS may sum in another order at each call (CUDA's own advice)."""


def resolve_device(name: str) -> torch.device:
    """`auto` (the first CUDA device, else the CPU), `cpu`, `cuda` or `cuda:N`. Raises `InputError` if there is none.

    Before CUDA starts, cuBLAS is told to sum in the same order every time, unless the user has told it otherwise.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _REPRODUCIBLE_CUBLAS)
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count()
    known = ["auto", "cpu", *(["cuda"] if count else []), *(f"cuda:{index}" for index in range(count))]
    if name not in known:
        raise InputError.one(
            "there is no such device here",
            got=repr(name),
            expected=" or ".join(known),
            remedy="Leave --device out, which takes the best one here",
        )
    return torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device("cpu")


def configure_threads(threads: int | None) -> int:
    """Set this process's thread budget, once, before any work; None keeps torch's default. Returns the budget.

    The count belongs to a run's record: one thread and two threads sum in a different order.
    """
    if threads is not None:
        if threads < 1:
            raise InputError.one(
                "no work can be done with so few threads",
                got=str(threads),
                expected="1 or more",
                remedy=f"Leave it out, which takes {torch.get_num_threads()} here, or write a number of CPU cores",
            )
        torch.set_num_threads(threads)
    return torch.get_num_threads()


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """Deterministic kernels and a private random state while the block runs; afterwards all is as it was.

    Where CUDA has no deterministic kernel (the backward pass of linear interpolation) torch warns and goes on.
    """
    mode = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    devices = [device.index or 0] if device.type == "cuda" else []
    try:
        # The same as `use_deterministic_algorithms(True, warn_only=True)`, which would load torch's compiler as well.
        torch.set_deterministic_debug_mode("warn")
        # Filling every fresh tensor with NaN finds bugs in kernels, not in a loop, and costs a pass over memory.
        memory.fill_uninitialized_memory = False
        torch.backends.cudnn.benchmark = False
        with plain_fp32(), torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        memory.fill_uninitialized_memory = fill
        torch.set_deterministic_debug_mode(mode)
