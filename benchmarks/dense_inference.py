"""Memory and time of dense inference with many classes: labels of one volume, against MONAI's sliding windows.

Both ways predict the same volume with the same network, windows, overlap and blend, in fp32, and end with the label of
every voxel in one byte. Each has a process of its own; what is compared is the process's peak of resident memory, with
interpreter and libraries, and the seconds of the prediction alone.

- wardround: `predict_windows` into a `LabelSink`; the file is asked for one window at a time.
- monai: `sliding_window_inference` of the volume in memory, then the largest of its outputs.

The network is one 1 x 1 x 1 layer that sees single voxels, so that time and memory are those of the windows, and labels
cannot depend on where windows start, which differs: MONAI moves only the last one back to fit. Intensities are few, as
in an image of eight bits, and their two best classes are further apart than rounding, so labels must be equal.

    python -m benchmarks.dense_inference --json dense_inference.json
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.goals import Goal, verdict
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.imaging import Geometry, Image, open_image, write_image
from wardround.engine.study.sections import Inference

WAYS = ("wardround", "monai")
LEVELS = 200
MIDDLE = 0.6
"""Not one half: with 40 classes they would meet at intensities that the volume has."""
GOAL = 0.6
"""What our peak may be of MONAI's."""


@dataclass(frozen=True)
class Problem:
    """What is predicted, and how."""

    volume: Path
    classes: int
    window: tuple[int, ...]
    inference: Inference


@dataclass(frozen=True)
class Outcome:
    """One way, in one process.

    Attributes:
        seconds: from the header to the labels.
        peak: bytes of resident memory, of the whole process.
        labels: SHA-256 of the labels, uint8 in C order.
    """

    seconds: float
    peak: int
    labels: str


def write_volume(path: Path, shape: tuple[int, ...]) -> None:
    """An uncompressed file of blocks with few intensities between 0 and 1."""
    sides = tuple(-(-side // 8) for side in shape)
    blocks = np.random.default_rng(0).integers(0, LEVELS, sides)
    voxels = np.kron(blocks, np.ones((8,) * len(shape), np.int16))[tuple(slice(side) for side in shape)]
    grid = Geometry(shape, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    write_image(path, Image((voxels / LEVELS).astype(np.float32)[None], grid))


def network_of(classes: int) -> nn.Module:
    """Class k has the largest output about the intensity (k + `MIDDLE`) / classes."""
    middles = (torch.arange(classes) + MIDDLE) / classes
    layer = nn.Conv3d(1, classes, 1).requires_grad_(False)
    scale = 40.0 * classes
    layer.weight.copy_((2 * scale * middles).reshape(-1, 1, 1, 1, 1))
    assert layer.bias is not None
    layer.bias.copy_(-scale * middles**2)
    return layer.eval()


def wardround(problem: Problem, network: nn.Module) -> np.ndarray:
    """Labels by our windows."""
    from wardround.engine.inference import LabelSink, drain, predict_windows

    image = open_image(problem.volume)
    sink = LabelSink(problem.classes, image.geometry.shape)
    drain(predict_windows(network, image, problem.window, problem.inference), sink)
    return sink.labels


def monai(problem: Problem, network: nn.Module) -> np.ndarray:
    """Labels by MONAI's windows."""
    from monai.inferers import sliding_window_inference

    image = torch.from_numpy(open_image(problem.volume).whole())[None]
    settings = problem.inference
    outputs: Any = sliding_window_inference(
        image, problem.window, settings.batch_size, network, overlap=settings.overlap, mode=settings.blend
    )
    return np.asarray(outputs[0].argmax(dim=0).to(torch.uint8).numpy())


def _run(way: str, problem: Problem, threads: int, queue: Any) -> None:
    torch.set_num_threads(threads)
    predict: Callable[[Problem, nn.Module], np.ndarray] = {"wardround": wardround, "monai": monai}[way]
    network = network_of(problem.classes)
    with torch.inference_mode():
        began = time.perf_counter()
        labels = predict(problem, network)
        seconds = time.perf_counter() - began
    peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queue.put(Outcome(seconds, peak, sha256_hex(np.ascontiguousarray(labels).tobytes())))


def measured(way: str, problem: Problem, threads: int) -> Outcome:
    """One way in a process of its own. Raises `RuntimeError` where it died, most likely for want of memory."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_run, args=(way, problem, threads, queue))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"the process of {way} ended with {process.exitcode}")
    found: Outcome = queue.get()
    return found


def compare(problem: Problem, repeats: int, threads: int) -> dict[str, list[Outcome]]:
    """Both ways, taking turns."""
    found: dict[str, list[Outcome]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way in WAYS:
            found[way].append(measured(way, problem, threads))
    return found


def ratio(found: dict[str, list[Outcome]], figure: Callable[[Outcome], float]) -> float:
    """Ours over MONAI's, medians over the repeats."""
    ours, theirs = (statistics.median(map(figure, found[way])) for way in WAYS)
    return ours / theirs


def main() -> int:
    """Print the table, write it as JSON where asked; 1 where labels differ or the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=[256, 256, 200])
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--overlap", type=float, default=0.5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    shape = tuple(arguments.shape)
    settings = Inference(overlap=arguments.overlap, batch_size=arguments.batch_size)
    what = f"{arguments.classes} classes, {math.prod(shape):,} voxels"
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {what}")
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        volume = Path(folder) / "volume.nii"
        write_volume(volume, shape)
        problem = Problem(volume, arguments.classes, (arguments.window,) * 3, settings)
        found = compare(problem, arguments.repeats, arguments.threads)
    return tell(found, arguments.json)


def tell(found: dict[str, list[Outcome]], path: Path | None) -> int:
    """Print what was found, and keep it; 1 where labels differ or the goal is missed."""
    print(f"{'':<12}{'seconds':>9}{'peak, MB':>10}")
    for way, outcomes in found.items():
        seconds, peak = (statistics.median(getattr(each, name) for each in outcomes) for name in ("seconds", "peak"))
        print(f"{way:<12}{seconds:>9.1f}{peak / 1e6:>10.0f}")
    equal = len({each.labels for outcomes in found.values() for each in outcomes}) == 1
    memory, time_ = ratio(found, lambda each: each.peak), ratio(found, lambda each: each.seconds)
    print(f"memory {memory:.2f} (goal: at most {GOAL}), time {time_:.2f}, labels {'equal' if equal else 'DIFFER'}")
    if path:
        path.write_text(
            json.dumps({way: [asdict(each) for each in some] for way, some in found.items()}, indent=2) + "\n"
        )
    alike = Goal("share of the ways whose labels are MONAI's", float(equal), least=1)
    return verdict([alike, Goal("memory, of MONAI's,", memory, most=GOAL)])


if __name__ == "__main__":
    sys.exit(main())
