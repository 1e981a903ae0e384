"""Training on an accelerator: steps a second, waiting and memory, of ours and of a bare loop in each way it can run.

Every way trains the same network on the same patches, and takes turns with the others in blocks of a few steps:

- bare: forward, loss, backward and the optimiser's step, fp32, channels first, on batches that lie on the device;
- bare bf16, bare channels_last, bare compiled, and bare with all three: what each of them would gain;
- wardround, wardround bf16: `Learner.train`, which reads, copies and augments beside it.

All use deterministic kernels and plain fp32, as a study does. A speed is that of the bare loop's steps a second, the
median over blocks that ran side by side; `waited` is the share of our steps' time that went by until their batch was
there; memory is the peak of a way by itself, with weights and optimiser. A way that cannot run here is told, and the
others are measured.

    python -m benchmarks.gpu --device cuda:0 --steps 20 --side 96 --json gpu.json

Whether our loop keeps up is checked by `on_accelerator`. On a CPU (`--device cpu`) it runs too, without memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.loop_efficiency import STUDY, stored_cases
from wardround.engine.basics.problems import InputError
from wardround.engine.networks.precision import Precision, autocast
from wardround.engine.sampling import Batch, PatchSource
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study, load_study
from wardround.engine.training import Learner, StepRecord, resolve_device, this_machine
from wardround.engine.training.precision import reproducible

HORIZON = 10**6
_BATCHES = 4
_LEAST_SIDE = 16
_cuda: Any = torch.cuda

Block = Callable[[int, int], float]
"""Runs the steps from the first number up to the second; the seconds that they waited for batches."""


@dataclass(frozen=True)
class Ground:
    """On what is measured."""

    device: torch.device
    study: Study
    cases: Sequence[StoredCase]

    def learner(self, precision: Precision) -> Learner:
        """A fresh one."""
        return Learner.create(self.study, HORIZON, device=str(self.device), precision=precision)

    def batches(self, layout: torch.memory_format) -> list[Batch]:
        """A few that lie on the device, with their images in this order of axes."""
        source = PatchSource(self.study, self.cases)
        found = [source.batch(step).with_truth(lambda truth: truth.to(self.device).long()) for step in range(_BATCHES)]
        return [replace(each, image=each.image.to(self.device).contiguous(memory_format=layout)) for each in found]

    def finish(self) -> None:
        """Wait until the device has done what it was told."""
        if self.device.type == "cuda":
            _cuda.synchronize(self.device)


def as_built(network: nn.Module) -> nn.Module:
    """The network itself."""
    return network


def compiled(network: nn.Module) -> nn.Module:
    """By torch's compiler."""
    return torch.compile(network)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Bare:
    """A bare loop: in which numbers, in which order of axes, and what becomes of the network."""

    precision: Precision = "fp32"
    layout: torch.memory_format = torch.contiguous_format
    made: Callable[[nn.Module], nn.Module] = as_built

    def start(self, ground: Ground) -> Block:
        """A fresh network and optimiser."""
        learner = ground.learner(self.precision)
        network = self.made(learner.network.train().to(memory_format=self.layout))  # type: ignore[call-overload]
        optimizer = torch.optim.AdamW(learner.network.parameters(), fused=True)
        batches = ground.batches(self.layout)

        def run(start: int, stop: int) -> float:
            with reproducible(ground.device):
                for step in range(start, stop):
                    batch = batches[step % len(batches)]
                    optimizer.zero_grad(set_to_none=True)
                    with autocast(learner.precision, ground.device):
                        outputs = learner.task.outputs(network, batch.image, batch.table)
                        loss = learner.task.losses(outputs, batch).mean()
                    torch.autograd.backward(loss)
                    optimizer.step()
            return 0.0

        return run


@dataclass(frozen=True)
class Ours:
    """`Learner.train`, with all that it does."""

    precision: Precision = "fp32"

    def start(self, ground: Ground) -> Block:
        """A fresh learner."""
        learner, source = ground.learner(self.precision), PatchSource(ground.study, ground.cases)

        def run(start: int, stop: int) -> float:
            records = list[StepRecord]()
            learner.train(source, start, stop, on_step=records.append)
            return sum(record.waited for record in records)

        return run


_LAST = torch.channels_last_3d
WAYS: Mapping[str, Bare | Ours] = {
    "bare": Bare(),
    "bare bf16": Bare("bf16"),
    "bare channels_last": Bare(layout=_LAST),
    "bare compiled": Bare(made=compiled),
    "bare all three": Bare("bf16", _LAST, compiled),
    "wardround": Ours(),
    "wardround bf16": Ours("bf16"),
}
FIRST = "bare"
"""What the others are compared with."""


@dataclass(frozen=True)
class Turn:
    """One block of a way: seconds, and those of them in which it waited for batches."""

    seconds: float
    waited: float


@dataclass(frozen=True)
class Result:
    """One way.

    Attributes:
        name: what it is.
        steps: a second, median over the blocks.
        speed: of the bare loop's steps a second, median over the blocks.
        waited: share of its time, over all blocks.
        peak: MB of the device's memory; None on a CPU.
    """

    name: str
    steps: float
    speed: float
    waited: float
    peak: float | None


def measure(ground: Ground, names: Sequence[str], blocks: int, steps: int) -> list[Result]:
    """The ways of these names that can run, the bare one first, each in every block, forwards and backwards."""
    ready = {name: found for name in names if (found := _ready(name, ground, steps)) is not None}
    if FIRST not in ready:
        return []
    taken: dict[str, list[Turn]] = {name: [] for name in ready}
    for block in range(1, blocks + 1):
        for name in [*ready][:: 1 if block % 2 else -1]:
            taken[name].append(_turn(ready[name].run, ground, block * steps, (block + 1) * steps))
    return [_result(name, turns, taken[FIRST], steps, ready[name].peak) for name, turns in taken.items()]


@dataclass(frozen=True)
class _Ready:
    """A way that has run its first block, which warms up, and its peak of memory in MB."""

    run: Block
    peak: float | None


def _ready(name: str, ground: Ground, steps: int) -> _Ready | None:
    """None where it cannot run here, which is said."""
    try:
        peak, run = peak_of(WAYS[name], ground), WAYS[name].start(ground)
        run(0, steps)
    except (RuntimeError, InputError) as error:
        print(f"{name} cannot run here: {type(error).__name__}: {str(error).splitlines()[0][:200]}", flush=True)
        return None
    return _Ready(run, peak)


def peak_of(way: Bare | Ours, ground: Ground) -> float | None:
    """MB that the device holds at most while two steps run this way, beyond what was there before."""
    if ground.device.type != "cuda":
        return None
    before = _cuda.memory_allocated(ground.device)
    _cuda.reset_peak_memory_stats(ground.device)
    way.start(ground)(0, 2)
    return float(_cuda.max_memory_allocated(ground.device) - before) / 1e6


def _turn(run: Block, ground: Ground, start: int, stop: int) -> Turn:
    ground.finish()
    began = time.perf_counter()
    waited = run(start, stop)
    ground.finish()
    return Turn(time.perf_counter() - began, waited)


def _result(name: str, turns: Sequence[Turn], bare: Sequence[Turn], steps: int, peak: float | None) -> Result:
    return Result(
        name,
        statistics.median(steps / turn.seconds for turn in turns),
        statistics.median(one.seconds / turn.seconds for one, turn in zip(bare, turns, strict=True)),
        sum(turn.waited for turn in turns) / sum(turn.seconds for turn in turns),
        peak,
    )


def study_of(side: int) -> Study:
    """The hippocampus study with patches of this side."""
    study = load_study(STUDY)
    patches = study.patches.model_copy(update={"size": (side,) * 3})
    return study.model_copy(update={"patches": patches})


def main() -> int:
    """Print the table, and write it as JSON where asked; 1 where a way could not run, 2 where nothing could be told."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="steps of a block")
    parser.add_argument("--side", type=int, default=64, help="voxels of a patch along each axis, a multiple of 16")
    parser.add_argument("--ways", nargs="+", default=[*WAYS], metavar="WAY", help=f"some of: {', '.join(WAYS)}")
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    unknown = [name for name in wanted.ways if name not in WAYS]
    if unknown:
        parser.error(f"unknown way {', '.join(unknown)}; there are {', '.join(WAYS)}")
    if min(wanted.blocks, wanted.steps) < 1 or wanted.side % _LEAST_SIDE or wanted.side < _LEAST_SIDE:
        parser.error(f"--blocks and --steps are at least 1, --side is a multiple of {_LEAST_SIDE}")
    try:
        device = resolve_device(wanted.device)
    except InputError as error:
        print(f"error: {error} (torch {torch.__version__}); nothing was measured", file=sys.stderr)
        return 2
    names = list(dict.fromkeys([FIRST, *wanted.ways]))
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        ground = Ground(device, study_of(wanted.side), stored_cases(Path(folder), 8))
        results = measure(ground, names, wanted.blocks, wanted.steps)
    tell(results, device, wanted.json)
    return 0 if len(results) == len(names) else 1


def tell(results: Sequence[Result], device: torch.device, path: Path | None) -> None:
    """Print what was found, and keep it."""
    machine = this_machine(device, "fp32")
    print(f"{machine.device}, torch {machine.torch}")
    print(f"{machine.processor}, {os.cpu_count()} CPUs, {machine.threads} threads")
    print(f"{'':<20}{'steps/s':>10}{'of bare':>10}{'waited':>9}{'peak, MB':>11}")
    for each in results:
        peak = "" if each.peak is None else f"{each.peak:.0f}"
        print(f"{each.name:<20}{each.steps:>10.2f}{each.speed:>10.2f}{each.waited:>9.0%}{peak:>11}")
    if path:
        content = {"machine": machine.model_dump(), "results": [asdict(each) for each in results]}
        path.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
