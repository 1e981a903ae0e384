"""What this machine computes with, and how fast: convolutions are most of what a network does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.memory import available_bytes
from wardround.engine.basics.problems import Problem
from wardround.engine.networks.layers import norm
from wardround.engine.networks.layouts import channels_last
from wardround.engine.networks.precision import autocast, plain_fp32
from wardround.engine.training.layout import gains
from wardround.engine.training.machine import Machine, this_machine

_PACKAGES = ("numpy", "scipy", "monai", "torchio", "simpleitk", "nibabel", "safetensors", "pydantic", "flwr")
_ENOUGH_SECONDS, _MOST_RUNS = 0.1, 5
_MUCH_SLOWER = 1.2
_FORMS: Mapping[int, tuple[type[nn.Module], tuple[int, ...]]] = {
    2: (nn.Conv2d, (4, 16, 64, 64)),
    3: (nn.Conv3d, (1, 16, 24, 24, 24)),
}
"""The layer, and the shape of its input, by the number of spatial axes."""
_DRIVER = Path("/proc/driver/nvidia/version")


class Timing(Closed):
    """How long a convolution of 16 to 16 channels takes, forwards and backwards.

    Attributes:
        dimensions: its spatial axes.
        precision: `fp32` or `bf16`.
        milliseconds: of the quickest of a few runs.
        gigaflops: operations in a nanosecond.
    """

    dimensions: int
    precision: str
    milliseconds: float
    gigaflops: float


class LayoutTiming(Closed):
    """How long such a convolution takes in fp32 with an instance norm and an activation after it, by how features lie.

    Attributes:
        dimensions: its spatial axes.
        channels_first: milliseconds of the quickest of a few runs.
        channels_last: the same where the channels of each voxel lie beside each other.
    """

    dimensions: int
    channels_first: float
    channels_last: float

    @property
    def quicker(self) -> str:
        """What a study would write for the quicker one."""
        return "channels_last" if self.channels_last < self.channels_first else "channels_first"


class Environment(Closed):
    """What `wardround env` tells. Names no host, user or path.

    Attributes:
        machine: what a result's last bits depend on.
        python: its version.
        packages: versions of the packages that matter; those that are not installed are left out.
        cores: those that this process may use.
        memory: bytes that are free.
        onednn: whether torch has the library of quick convolutions on CPUs.
        cuda: the CUDA version that torch was built for; empty without.
        devices: each GPU with its memory.
        timings: by axes and precision, on the device that a training would take.
        layouts: by axes, on the same device.
    """

    machine: Machine
    python: str
    packages: dict[str, str]
    cores: int
    memory: int
    onednn: bool
    cuda: str
    devices: tuple[str, ...]
    timings: tuple[Timing, ...]
    layouts: tuple[LayoutTiming, ...]


def look_around(device: torch.device) -> Environment:
    """Time convolutions on a device, and say what there is. Takes a second or two."""
    cuda: Any = torch.cuda
    backends: Any = torch.backends
    devices = [cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return Environment(
        machine=this_machine(device, "fp32"),
        python=platform.python_version(),
        packages={name: found for name in _PACKAGES if (found := _version(name))},
        cores=_cores(),
        memory=available_bytes(),
        onednn=backends.mkldnn.is_available(),
        cuda=torch.version.cuda or "",
        devices=tuple(f"{each.name}, {each.total_memory / 2**30:.0f} GB" for each in devices),
        timings=tuple(_timings(device)),
        layouts=tuple(_layouts(device)),
    )


def shortcomings(found: Environment) -> Iterator[Problem]:
    """What makes training slower here than it need be, and what to do about it."""
    if not found.onednn and not found.devices:
        yield Problem(
            "this build of torch has no oneDNN, without which convolutions on a CPU take several times as long",
            expected="a build with oneDNN, as PyTorch's own wheels for x86-64 are",
            remedy="Install torch from https://download.pytorch.org/whl/cpu",
        )
    if _DRIVER.exists() and not found.devices:
        yield Problem(
            "this machine has an NVIDIA driver, and torch sees no GPU",
            got=f"torch {found.machine.torch}",
            expected="a build of torch for CUDA, and a GPU that this user may use",
            remedy="Install torch from https://download.pytorch.org/whl, or look at CUDA_VISIBLE_DEVICES",
        )
    if found.machine.threads > found.cores:
        yield Problem(
            "there are more threads than CPU cores, which then wait for one another",
            got=f"{found.machine.threads} threads",
            expected=f"{found.cores} at most",
            remedy=f"Give --threads {found.cores}",
        )
    yield from _slow_precisions(found)
    yield from _slow_layouts(found)


def _slow_precisions(found: Environment) -> Iterator[Problem]:
    """A CPU without instructions for bfloat16 imitates it, at a tenth of the speed."""
    took = {(timing.dimensions, timing.precision): timing.milliseconds for timing in found.timings}
    slower = [f"{took[axes, 'bf16'] / took[axes, 'fp32']:.1f} times in {axes}D" for axes in _FORMS]
    if any(took[axes, "bf16"] > _MUCH_SLOWER * took[axes, "fp32"] for axes in _FORMS):
        yield Problem(
            "bf16 takes longer than fp32 here",
            got=" and ".join(slower),
            expected="less time, as on a GPU, or a CPU with AMX or AVX512-BF16",
            remedy="Leave `training.precision` at auto, which takes fp32 on a CPU",
        )


def _slow_layouts(found: Environment) -> Iterator[Problem]:
    """Where `auto` takes the layout that was much slower just now."""
    for each in found.layouts:
        taken = "channels_last" if gains(each.dimensions, found.machine) else "channels_first"
        times = {"channels_first": each.channels_first, "channels_last": each.channels_last}
        if times[taken] > _MUCH_SLOWER * times[each.quicker]:
            yield Problem(
                f"{taken}, which `training.layout: auto` takes for fp32 in {each.dimensions}D here, is the slower one",
                got=f"{times[taken] / times[each.quicker]:.1f} times as long",
                expected="the quicker layout",
                remedy=f"Run this again with nothing beside it; if it stays so, write `layout: {each.quicker}` under "
                "`training` in a study that is trained here alone",
            )


def _layouts(device: torch.device) -> Iterator[LayoutTiming]:
    for axes, (layer, shape) in _FORMS.items():
        kernel: Any = layer
        convolution = kernel(shape[1], shape[1], 3, padding=1, bias=False)
        block = nn.Sequential(convolution, norm("instance", axes, shape[1]), nn.LeakyReLU()).to(device)
        image = torch.ones(shape, device=device)
        first, last = (
            1000 * _quickest(partial(_pass, block, each.requires_grad_(), "fp32"), device)
            for each in (image, channels_last(image))
        )
        yield LayoutTiming(dimensions=axes, channels_first=first, channels_last=last)


def _timings(device: torch.device) -> Iterator[Timing]:
    for axes, (layer, shape) in _FORMS.items():
        kernel: Any = layer
        convolution = kernel(shape[1], shape[1], 3, padding=1).to(device)
        image = torch.ones(shape, device=device, requires_grad=True)
        operations = 3 * 2 * image.numel() * shape[1] * 3**axes
        for precision in ("fp32", "bf16"):
            seconds = _quickest(partial(_pass, convolution, image, precision), device)
            speed = operations / seconds / 1e9
            yield Timing(dimensions=axes, precision=precision, milliseconds=1000 * seconds, gigaflops=speed)


def _pass(convolution: nn.Module, image: Tensor, precision: Any) -> None:
    """Forwards and backwards once."""
    with plain_fp32(), autocast(precision, image.device):
        outputs = convolution(image)
    torch.autograd.backward(outputs.float().sum())


def _quickest(run: Callable[[], None], device: torch.device) -> float:
    """Seconds of the quickest of a few runs; the first makes everything ready, and so is never the only one."""
    seconds = [_seconds(run, device) for _ in range(2)]
    while sum(seconds) < _ENOUGH_SECONDS and len(seconds) < _MOST_RUNS:
        seconds.append(_seconds(run, device))
    return min(seconds)


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    began = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
