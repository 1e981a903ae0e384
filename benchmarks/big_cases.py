"""Memory and time of big cases: one CT, preprocessed, scored with few and with many classes, and predicted.

Every measurement runs in a process of its own that has its imports behind it. Its figure is the process's peak of
resident memory above what it held before, in bytes per voxel of the file and as a multiple of the bytes of the case
(int16 voxels in the file, or the stored float32 image where the store is the source), and the seconds. Mapped pages of
the store count as resident, though the system takes them back when others need memory.

- prepare: orient, clip and z-normalise one case into the store; `resampled`: with a resampling before.
- four: four cases of that kind, as a first run fills the store.
- evaluate: a whole case scored as a validation does it (loss and Dice), with a network of one 1 x 1 x 1 layer that
  nearly knows the truth, so that time is not the network's; `surfaces`: with HD95 and NSD too.
- whole: as evaluate, with a loss that must see the volume at once.
- predict: the case's file read, predicted and brought back to its own grid; `back`: from a resampled grid.

    python -m benchmarks.big_cases --shape 512 512 300 --json big_cases.json
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wardround.engine.cohort import Case
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.prediction import predict_case
from wardround.engine.imaging import Geometry, Image, write_image, write_label
from wardround.engine.inference import quick
from wardround.engine.sampling.batch import Batch
from wardround.engine.store import CaseStore
from wardround.engine.study import Study
from wardround.engine.tasks import build_task

CPU = torch.device("cpu")
STEP, FLOOR = 20.0, -500.0
"""Class k has the intensity FLOOR + k * STEP."""
FROM_STORE = ("evaluate 3", "evaluate 40", "whole 40", "surfaces 3")
MEASUREMENTS = ("prepare", "resampled", "four", *FROM_STORE, "predict 3", "predict 40", "back 3", "back 40")


@dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
        name: what was done.
        seconds: how long it took.
        peak: bytes of resident memory above what the process held before.
        per_voxel: the same per voxel of the case.
        times_source: the same as a multiple of the case's bytes.
    """

    name: str
    seconds: float
    peak: int
    per_voxel: float
    times_source: float


def study(
    classes: int, *, resample: bool = False, normalise: bool = False, surfaces: bool = False, window: int = 96
) -> Study:
    """A segmentation of a CT; the network it names is never built."""
    steps: list[Any] = [{"orient": "RAS"}]
    steps += [{"resample": [1.0, 1.0, 1.0]}] if resample else []
    steps += [{"clip": {"low": FLOOR, "high": 1000}}]
    steps += ["z_normalize"] if normalise else []
    metrics: list[Any] = ["dice", *(["hd95", "nsd"] if surfaces else [])]
    content = {
        "schema": 1,
        "study": "big-cases",
        "task": "segmentation",
        "inputs": ["ct"],
        "classes": {f"organ{index}": index for index in range(1, classes)},
        "preprocessing": steps,
        "patches": {"size": [window] * 3},
        "model": {"name": "unet", "dimensions": 3, "levels": 4},
        "training": {"loss": "dice_ce"},
        "validation": {"metrics": metrics, "select": "dice"},
    }
    return Study.model_validate(content)


class Knowing(nn.Module):
    """Logits that are highest for the class whose intensity is nearest: linear in the image, so one layer does it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        levels = FLOOR + STEP * torch.arange(classes)
        self.layer = nn.Conv3d(1, classes, 1)
        self.layer.weight.data = (2 * levels / STEP**2).reshape(-1, 1, 1, 1, 1)
        self.layer.bias.data = -(levels**2) / STEP**2  # type: ignore[union-attr]

    def forward(self, windows: Tensor) -> Tensor:
        """(samples, 1, *window) to (samples, classes, *window)."""
        logits: Tensor = self.layer(windows)
        return logits


class Whole:
    """A loss that cannot be taken piece by piece, and needs no memory of its own."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) the lowest logit of each."""
        return outputs.flatten(1).amin(dim=1)


def write_case(folder: Path, name: str, shape: tuple[int, ...], classes: int) -> Case:
    """A CT of int16 in LPS with blocks of classes, and its mask."""
    random = np.random.default_rng([*name.encode()])
    blocks = random.integers(0, classes, tuple(-(-side // 32) for side in shape)).astype(np.uint8)
    mask = np.kron(blocks, np.ones((32,) * 3, np.uint8))[tuple(slice(side) for side in shape)]
    noise = random.normal(0, 3, shape[1:]).astype(np.float32)
    voxels = (FLOOR + STEP * mask + noise).astype(np.int16)
    grid = Geometry(shape, (0.8, 0.8, 1.0), (0.0,) * 3, tuple(np.eye(3).ravel()))
    image, label = folder / f"{name}.nii.gz", folder / f"{name}_mask.nii.gz"
    write_image(image, Image(voxels[None], grid))
    write_label(label, mask, grid)
    return Case(name, name, (image,), label, None, None, 2)


def job(name: str, cases: list[Case], store: Path, window: int = 96) -> Callable[[], object]:
    """What a measurement does, set up as far as it is not to be counted. The first case has 3 classes, the last 40."""
    kind, _, number = name.partition(" ")
    classes = int(number or 3)
    case = cases[-1] if classes == 40 else cases[0]
    fresh = CaseStore(store / name)
    if kind in ("prepare", "resampled"):
        wanted = study(classes, resample=kind == "resampled", normalise=True)
        return lambda: fresh.open_case(wanted, case)
    if kind == "four":
        return lambda: fresh.open_cases(study(classes, normalise=True), cases[:-1])
    wanted = study(classes, surfaces=kind == "surfaces", resample=kind == "back", window=window)
    task, network = build_task(wanted), Knowing(classes)
    if kind == "whole":
        task._loss = Whole()
    if kind in ("predict", "back"):
        return lambda: predict_case(TrainedModel(wanted, task, network, CPU), case)
    stored = CaseStore(store / "shared").open_case(wanted, case)
    return lambda: task.evaluate(network, [stored], ["case"], CPU, inference=quick(wanted.inference))


def measured(name: str, cases: list[Case], tiny: list[Case], store: Path, window: int, queue: Any) -> None:
    """Run one measurement in this process; its seconds and peak go into the queue."""
    torch.set_num_threads(1)
    job(name, tiny, store / "tiny")()  # imports, and whatever else happens once
    run = job(name, cases, store, window)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    began = time.perf_counter()
    run()
    queue.put((time.perf_counter() - began, _memory("VmHWM") - before))


def figure(
    name: str, cases: list[Case], tiny: list[Case], store: Path, shape: tuple[int, ...], window: int = 96
) -> Figure | None:
    """One measurement in a process of its own; None where it died, most likely for want of memory."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    if name in FROM_STORE:  # stored beforehand, by another process
        _elsewhere(context, name, cases, store)
    process = context.Process(target=measured, args=(name, cases, tiny, store, window, queue))
    with _returning_memory():
        process.start()
    process.join()
    if process.exitcode != 0:
        return None
    seconds, peak = queue.get()
    voxels = math.prod(shape) * (len(cases) - 1 if name == "four" else 1)
    source = 4 if name in FROM_STORE else 2
    return Figure(name, seconds, peak, peak / voxels, peak / voxels / source)


@contextlib.contextmanager
def _returning_memory() -> Iterator[None]:
    """Processes that start meanwhile give every larger block back to the system when it is freed. By default glibc
    keeps blocks of up to 32 MB once one was freed, as it happens in which order; what was freed would count as held."""
    name = "MALLOC_MMAP_THRESHOLD_"
    before = os.environ.get(name)
    os.environ[name] = "65536"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def _elsewhere(context: Any, name: str, cases: list[Case], store: Path) -> None:
    process = context.Process(target=job, args=(name, cases, store))
    process.start()
    process.join()


def _memory(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def _written(folder: Path, shape: tuple[int, ...], several: bool) -> list[Case]:
    few = [write_case(folder, f"few{number}", shape, 3) for number in range(4 if several else 1)]
    return [*few, write_case(folder, "many", shape, 40)]


def main() -> None:
    """Print the table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[512, 512, 300])
    parser.add_argument("--only", nargs="*", default=list(MEASUREMENTS), help="some of the measurements")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    shape, figures = tuple(arguments.shape), []
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {' x '.join(map(str, shape))} voxels, one thread")
    print(f"{'':<14}{'seconds':>9}{'peak, MB':>10}{'bytes a voxel':>15}{'times the case':>16}")
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        cases = _written(Path(folder) / "big", shape, "four" in arguments.only)
        tiny = _written(Path(folder) / "tiny", (40, 40, 40), "four" in arguments.only)
        for name in arguments.only:
            found = figure(name, cases, tiny, Path(folder) / "store", shape)
            if found is None:
                print(f"{name:<14}{'died':>9}", flush=True)
                continue
            figures.append(found)
            print(
                f"{name:<14}{found.seconds:>9.1f}{found.peak / 1e6:>10.0f}{found.per_voxel:>15.1f}"
                f"{found.times_source:>16.1f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
