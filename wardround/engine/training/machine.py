"""On what a run ran: the facts that decide whether another run can repeat it bit for bit."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import torch

from wardround.engine.basics.closed import Added, Closed


class Machine(Closed):
    """What a result's last bits depend on. Names no host, user or path.

    Attributes:
        wardround: version of this package.
        torch: version of torch, build included.
        processor: kind of CPU.
        instructions: the vector instructions that torch's CPU kernels use.
        device: `cpu`, or the CUDA device's kind.
        precision: `fp32` or `bf16`.
        threads: thread budget of the process.
        processes: how many shared each batch, under `torchrun`.
    """

    wardround: str
    torch: str
    processor: str
    instructions: str
    device: str
    precision: str
    threads: int
    processes: Annotated[int, Added("0.4.0")] = 1


def this_machine(device: torch.device, precision: str, processes: int = 1) -> Machine:
    """The record of this process, and of how many train with it."""
    from wardround import __version__

    return Machine(
        wardround=__version__,
        torch=torch.__version__,
        processor=_processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        device="cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        precision=precision,
        threads=torch.get_num_threads(),
        processes=processes,
    )


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if not table.exists():
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in table.read_text().splitlines() if line.startswith("model name"))
    return next(named, platform.machine())
