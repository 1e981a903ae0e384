"""What the training loop costs beside the network: steps a second against a bare PyTorch loop.

Three loops take turns in blocks of a few steps, in one process, with the same network, loss and optimiser:

- bare: forward, loss, backward, optimiser's step, on batches that lie in memory;
- loop: `Learner.train` on the patch source, without augmentation;
- augmented: the same with the study's augmentation.

    python -m benchmarks.loop_efficiency --threads 2 --json loop.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.goals import Goal, verdict
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.imaging.image import Geometry
from wardround.engine.sampling import Batch, PatchSource
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study, load_study
from wardround.engine.training import Learner, this_machine

STUDY = Path(__file__).parent.parent / "configs" / "hippocampus" / "study.yaml"
SHAPE = (38, 52, 38)
GOALS = {"loop": 0.95, "augmented": 0.85}
"""Of the bare loop's steps a second."""


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


def stored_cases(folder: Path, count: int) -> list[StoredCase]:
    """Noise with two ellipsoids, memory-mapped as the store's cases are."""
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    geometry = Geometry(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), tuple(np.eye(3).ravel().tolist()))
    return [_stored_case(folder / str(number), axes, rng, geometry) for number in range(count)]


def _stored_case(folder: Path, axes: Sequence[np.ndarray], rng: np.random.Generator, geometry: Geometry) -> StoredCase:
    folder.mkdir()
    label = np.zeros(SHAPE, np.uint8)
    for value, middle in ((1, -0.4), (2, 0.4)):
        distance = sum(((axis - at) / 0.3) ** 2 for axis, at in zip(axes, (0.0, middle, 0.0), strict=True))
        label[distance < 1] = value
    np.save(folder / "label.npy", label)
    np.save(folder / "image.npy", (label + rng.normal(0, 0.5, SHAPE)).astype(np.float32)[None])
    image = np.load(folder / "image.npy", mmap_mode="r")
    return StoredCase(
        digest=sha256_hex(image.tobytes()),
        image=image,
        label=np.load(folder / "label.npy", mmap_mode="r"),
        foreground={value: np.argwhere(label == value).astype(np.int32) for value in (1, 2)},
        geometry=geometry,
        native=geometry,
        target=None,
        folder=folder,
    )


def bare_loop(study: Study, batches: Sequence[Batch]) -> Callable[[int, int], None]:
    """The least that training can be: no schedule, no records, no checks."""
    learner = Learner.create(study, 10**6, device="cpu")
    network = learner.network.train()
    parameters = study.training.optimizer.parameters.model_dump()
    optimizer = torch.optim.AdamW(
        network.parameters(), parameters["learning_rate"], weight_decay=parameters["weight_decay"], fused=True
    )

    def run(start: int, stop: int) -> None:
        for step in range(start, stop):
            batch = batches[step % len(batches)]
            optimizer.zero_grad(set_to_none=True)
            loss = learner.task.losses(network(batch.image), batch).mean()
            torch.autograd.backward(loss)
            optimizer.step()
            loss.item()

    return run


def our_loop(study: Study, cases: Sequence[StoredCase]) -> Callable[[int, int], None]:
    """`Learner.train` with everything that it does."""
    learner, source = Learner.create(study, 10**6, device="cpu"), PatchSource(study, cases)
    return lambda start, stop: void(learner.train(source, start, stop))


def void(value: object) -> None:
    """Drop a value."""


def measure(loops: dict[str, Callable[[int, int], None]], blocks: int, steps: int) -> dict[str, list[Timing]]:
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


def run(threads: int, blocks: int, steps: int) -> list[Result]:
    """The whole comparison with a thread budget."""
    torch.set_num_threads(threads)
    study = load_study(STUDY)
    plain = study.model_copy(update={"augmentation": ()})
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        cases = stored_cases(Path(folder), 8)
        source = PatchSource(study, cases)
        loops = {
            "bare": bare_loop(study, [source.batch(step) for step in range(8)]),
            "loop": our_loop(plain, cases),
            "augmented": our_loop(study, cases),
        }
        return compared(measure(loops, blocks, steps))


def main() -> int:
    """Print the table, and write it as JSON where asked; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--steps", type=int, default=8, help="steps of a block")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = run(arguments.threads, arguments.blocks, arguments.steps)
    machine = this_machine(torch.device("cpu"), "fp32")
    load = os.getloadavg()[0]
    print(f"{machine.processor}, {machine.instructions}, torch {machine.torch}, {machine.threads} threads")
    print(f"load average {load:.1f} on {os.cpu_count()} CPUs; more than one program's worth blurs the wall times")
    print(f"{'':<12}{'ms a step':>12}{'CPU ms':>12}{'steps/s of bare':>18}{'CPU of bare':>14}")
    for result in results:
        wall, cpu = result.timing.wall * 1e3, result.timing.cpu * 1e3
        print(f"{result.name:<12}{wall:>12.1f}{cpu:>12.1f}{result.speed:>18.3f}{result.cpu:>14.3f}")
    if arguments.json:
        content = {"machine": machine.model_dump(), "load": load, "results": [asdict(result) for result in results]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    speeds = {result.name: result.speed for result in results}
    return verdict(
        Goal(f"{name}, of the bare loop's steps a second,", speeds[name], least=GOALS[name]) for name in GOALS
    )


if __name__ == "__main__":
    raise SystemExit(main())
