"""How fast a study trains: steps a second against a bare PyTorch loop of the same network.

Three loops take turns in blocks of a few steps, in one process, with the same weights, loss and optimiser:

- bare: forward, loss, backward, optimiser's step in fp32, channels first, on batches that lie in memory. The network is
  the textbook's: torch's own norm layers and convolutions;
- loop: `Learner.train` on the patch source with the study's defaults, without augmentation;
- augmented: the same with the study's augmentation.

After that, bare loop and `Learner.train` learn from the same batches for some steps, and their losses are compared.

    python -m benchmarks.loop_efficiency --threads 2 --json loop.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.goals import Goal, verdict
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.imaging.image import Geometry
from wardround.engine.networks.norms import GroupNorm, InstanceNorm2d, InstanceNorm3d
from wardround.engine.sampling import Batch, PatchSource
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study, load_study
from wardround.engine.training import Learner, this_machine

STUDY = Path(__file__).parent.parent / "configs" / "hippocampus" / "study.yaml"
SHAPE = (38, 52, 38)
HORIZON = 10**6
"""Steps of the schedule, of which the few that are run here have the full learning rate."""
GOALS = {"loop": 1.2, "augmented": 1.1}
"""Of the bare loop's steps a second."""
TOLERANCE = 0.002
"""Within which two loss curves are one, as a part of the first loss: what rounding grows to over the steps compared."""


@dataclass(frozen=True)
class Timing:
    """Seconds of one step, medians over the blocks."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Result:
    """One loop against the bare one: the fraction of its steps a second, and its CPU seconds as a multiple.

    Both are medians over blocks that ran side by side.
    """

    name: str
    timing: Timing
    speed: float
    cpu: float


def stored_cases(folder: Path, count: int, shape: tuple[int, ...] = SHAPE, structures: int = 2) -> list[StoredCase]:
    """Noise with one or two ellipsoids, memory-mapped as the store's cases are."""
    rng, dimensions = np.random.default_rng(0), len(shape)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    steps, origin = (1.0,) * dimensions, (0.0,) * dimensions
    geometry = Geometry(shape, steps, origin, tuple(np.eye(dimensions).ravel().tolist()))
    places = {value: middle for value, middle in ((1, -0.4), (2, 0.4)) if value <= structures}
    return [_stored_case(folder / str(number), axes, rng, geometry, places) for number in range(count)]


def _stored_case(
    folder: Path, axes: Sequence[np.ndarray], rng: np.random.Generator, geometry: Geometry, places: Mapping[int, float]
) -> StoredCase:
    folder.mkdir()
    label = np.zeros(geometry.shape, np.uint8)
    for value, middle in places.items():
        distance = ((axes[1] - middle) / 0.3) ** 2 + sum((axis / 0.3) ** 2 for axis in (axes[0], *axes[2:]))
        label[distance < 1] = value
    np.save(folder / "label.npy", label)
    np.save(folder / "image.npy", (label + rng.normal(0, 0.5, geometry.shape)).astype(np.float32)[None])
    image = np.load(folder / "image.npy", mmap_mode="r")
    return StoredCase(
        digest=sha256_hex(image.tobytes()),
        image=image,
        label=np.load(folder / "label.npy", mmap_mode="r"),
        foreground={value: np.argwhere(label == value).astype(np.int32) for value in places},
        geometry=geometry,
        native=geometry,
        target=None,
        folder=folder,
    )


def textbook(network: nn.Module) -> nn.Module:
    """The network with torch's own layers in the place of Wardround's, and the same weights.

    The pointwise convolutions are torch's own as long as channels do not lie last.
    """
    for module in network.modules():
        for name, layer in module.named_children():
            if isinstance(layer, InstanceNorm2d | InstanceNorm3d | GroupNorm):
                setattr(module, name, _torchs_own(layer))
    return network


def _torchs_own(layer: InstanceNorm2d | InstanceNorm3d | GroupNorm) -> nn.Module:
    if isinstance(layer, GroupNorm):
        plain: nn.Module = nn.GroupNorm(layer.num_groups, layer.num_channels)
    else:
        kind = nn.InstanceNorm2d if isinstance(layer, InstanceNorm2d) else nn.InstanceNorm3d
        plain = kind(layer.num_features, affine=True)
    plain.load_state_dict(layer.state_dict())
    return plain


def bare_loop(study: Study, batches: Sequence[Batch]) -> Callable[[int, int], list[float]]:
    """The least that training can be: no schedule, no records, no checks."""
    learner = Learner.create(study, HORIZON, device="cpu")
    network = textbook(learner.network).train()
    parameters = study.training.optimizer.parameters.model_dump()
    optimizer = torch.optim.AdamW(
        network.parameters(), parameters["learning_rate"], weight_decay=parameters["weight_decay"], fused=True
    )

    def run(start: int, stop: int) -> list[float]:
        return [_bare_step(batches[step % len(batches)]) for step in range(start, stop)]

    def _bare_step(batch: Batch) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = learner.task.losses(network(batch.image), batch).mean()
        torch.autograd.backward(loss)
        optimizer.step()
        return loss.item()

    return run


@dataclass(frozen=True)
class Repeated:
    """The same few batches over and over, as a source for `Learner.train`."""

    batches: Sequence[Batch]

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        return self.batches[step % len(self.batches)]


def apart(study: Study, batches: Sequence[Batch], steps: int) -> float:
    """How far the losses of the bare loop and of `Learner.train` on the same batches come apart at most, as a part of
    the first loss."""
    bare = bare_loop(study, batches)(0, steps)
    ours: list[float] = []
    Learner.create(study, HORIZON, device="cpu").train(
        Repeated(batches), 0, steps, on_step=lambda record: ours.append(record.loss)
    )
    return max(abs(one - other) for one, other in zip(bare, ours, strict=True)) / bare[0]


def our_loop(study: Study, cases: Sequence[StoredCase]) -> Callable[[int, int], None]:
    """`Learner.train` with everything that it does."""
    learner, source = Learner.create(study, HORIZON, device="cpu"), PatchSource(study, cases)
    return lambda start, stop: void(learner.train(source, start, stop))


def void(value: object) -> None:
    """Drop a value."""


def measure(loops: Mapping[str, Callable[[int, int], object]], blocks: int, steps: int) -> dict[str, list[Timing]]:
    """Timings of each loop, block by block, taking turns; the first block of each warms up and is dropped."""
    timings: dict[str, list[Timing]] = {name: [] for name in loops}
    for block in range(blocks + 1):
        order = list(loops) if block % 2 else list(reversed(loops))
        for name in order:
            wall, cpu = time.perf_counter(), time.process_time()
            loops[name](block * steps, (block + 1) * steps)
            timing = Timing((time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps)
            timings[name].append(timing)
    return {name: found[1:] for name, found in timings.items()}


def compared(timings: dict[str, list[Timing]]) -> list[Result]:
    """Each loop against the bare one, block by block."""
    bare = timings["bare"]
    return [
        Result(
            name,
            Timing(statistics.median(t.wall for t in found), statistics.median(t.cpu for t in found)),
            statistics.median(b.wall / t.wall for b, t in zip(bare, found, strict=True)),
            statistics.median(t.cpu / b.cpu for b, t in zip(bare, found, strict=True)),
        )
        for name, found in timings.items()
    ]


@dataclass(frozen=True)
class Comparison:
    """Each loop's result, and how far the loss curves come apart (`apart`)."""

    results: list[Result]
    apart: float


def run(path: Path, threads: int, blocks: int, steps: int, curve: int) -> Comparison:
    """The whole comparison with a thread budget."""
    torch.set_num_threads(threads)
    study = load_study(path)
    plain = study.model_copy(update={"augmentation": ()})
    shape = tuple(side * 6 // 5 for side in study.patches.size)
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        cases = stored_cases(Path(folder), 8, shape, len(study.classes))
        source = PatchSource(study, cases)
        batches = [source.batch(step) for step in range(8)]
        loops = {
            "bare": bare_loop(study, batches),
            "loop": our_loop(plain, cases),
            "augmented": our_loop(study, cases),
        }
        return Comparison(compared(measure(loops, blocks, steps)), apart(plain, batches, curve))


def main() -> int:
    """Print the table, and write it as JSON where asked; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, default=STUDY, help="a segmentation of one channel")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--steps", type=int, default=8, help="steps of a block")
    parser.add_argument("--curve", type=int, default=50, help="steps of which losses are compared")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = run(arguments.study, arguments.threads, arguments.blocks, arguments.steps, arguments.curve)
    machine = this_machine(torch.device("cpu"), "fp32")
    load = os.getloadavg()[0]
    print(f"{machine.processor}, {machine.instructions}, torch {machine.torch}, {machine.threads} threads")
    print(f"load average {load:.1f} on {os.cpu_count()} CPUs; more than one program's worth blurs the wall times")
    print(f"{'':<12}{'ms a step':>12}{'CPU ms':>12}{'steps/s of bare':>18}{'CPU of bare':>14}")
    for result in found.results:
        wall, cpu = result.timing.wall * 1e3, result.timing.cpu * 1e3
        print(f"{result.name:<12}{wall:>12.1f}{cpu:>12.1f}{result.speed:>18.3f}{result.cpu:>14.3f}")
    print(f"losses of {arguments.curve} steps come apart by {found.apart:.1e} of the first (at most {TOLERANCE:g})")
    if arguments.json:
        content = {"machine": machine.model_dump(), "load": load, **asdict(found)}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    speeds = {result.name: result.speed for result in found.results}
    paces = [Goal(f"{name}, of the bare loop's steps a second,", speeds[name], least=GOALS[name]) for name in GOALS]
    curves = Goal(f"losses of {arguments.curve} steps apart, of the first,", found.apart, most=TOLERANCE)
    return verdict([*paces, curves])


if __name__ == "__main__":
    raise SystemExit(main())
