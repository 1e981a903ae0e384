"""How long people wait for `wardround --help`, `parts` and `check` (of 50 small cases), and for a fit's first step.

    python -m benchmarks.start_up [--runs 7]

Prints one JSON line per command: the median and the largest of the runs in seconds, the goal, and whether torch was
imported. CPU seconds stand beside them, because other work on the machine lengthens the wall time but hardly these.
The first run of each command, which fills the disk's cache, is left out. Times are those of whole processes, but for
`first step`: from torch's being imported to the end of the first step that `fit` takes, with nine of the cases.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.goals import Goal, verdict
from wardround.engine.imaging import Geometry, Image, write_image, write_label

CASES, FEW = 50, 9
SHAPE = (35, 50, 33)
STUDY = """\
schema: 1
study: start-up
task: segmentation
inputs: [T1w]
classes: {anterior: 1, posterior: 2}
preprocessing: [orient, {resample: [1, 1, 1]}, z_normalize]
patches: {size: [32, 40, 32]}
model: {name: resunet, dimensions: 3}
training: {loss: dice_ce}
validation: {metrics: [dice, hd95], select: dice}
"""
RUN = "import sys; from wardround.engine.cli.main import main; code = main(); {report}; sys.exit(code)"
FIRST_STEP = """\
import os, sys, time, torch
wall, cpu = time.perf_counter(), time.process_time()
from wardround.engine.cli.main import main
from wardround.engine.training import Learner
whole = Learner.train
def train(*words, **named):
    whole(*words, **named)
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
    os._exit(0)  # the first step is what was waited for
Learner.train = train
sys.exit(main())
"""
SAYS_TORCH = "print('torch' in sys.modules, file=sys.stderr)"


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        median_s, largest_s: wall time over the runs.
        median_cpu_s: of a processor.
        torch_imported: whether it imported torch.
        goal_s: the most that the median should be.
    """

    median_s: float
    largest_s: float
    median_cpu_s: float
    torch_imported: bool
    goal_s: float

    @classmethod
    def of(cls, wall: Sequence[float], cpu: Sequence[float], torch_imported: bool, goal: float) -> Measured:
        """The figures of some runs."""
        median, median_cpu = round(statistics.median(wall), 3), round(statistics.median(cpu), 3)
        return cls(median, round(max(wall), 3), median_cpu, torch_imported, goal)


def main() -> int:
    """Measure every command and print the figures; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="measured runs of each command")
    runs = parser.parse_args().runs
    found: dict[str, Measured] = {}
    with tempfile.TemporaryDirectory(prefix="wardround-start-up-") as folder:
        for name, work in works(Path(folder)).items():
            found[name] = work(runs)
            print(json.dumps({"command": name, **asdict(found[name])}), flush=True)
    return verdict(Goal(f"{name}, seconds,", each.median_s, most=each.goal_s) for name, each in found.items())


def works(folder: Path) -> dict[str, Callable[[int], Measured]]:
    """What is measured, by name, each with its goal in seconds; called with the number of runs."""
    study, manifest, few = write_cohort(folder)
    check = ["check", str(study), "--manifest", str(manifest)]
    return {
        "--help": partial(measure, ["--help"], 0.5),
        "parts": partial(measure, ["parts"], 0.5),
        "check": partial(measure, check, 1.0),
        "check --full": partial(measure, [*check, "--full"], 10.0),
        "first step": partial(measure_first_step, ["fit", str(study), "--manifest", str(few)], folder, 1.0),
    }


def measure(words: Sequence[str], goal: float, runs: int) -> Measured:
    """A command, in `runs` processes."""
    wall, cpu = [], []
    for _ in range(runs + 1):
        start, used = time.perf_counter(), _children_cpu()
        subprocess.run([sys.executable, "-c", RUN.format(report="None"), *words], check=True, capture_output=True)
        wall.append(time.perf_counter() - start)
        cpu.append(_children_cpu() - used)
    told = subprocess.run(
        [sys.executable, "-c", RUN.format(report=SAYS_TORCH), *words], check=True, capture_output=True, text=True
    )
    return Measured.of(wall[1:], cpu[1:], told.stderr.strip().endswith("True"), goal)


def measure_first_step(words: Sequence[str], folder: Path, goal: float, runs: int) -> Measured:
    """From torch's being imported to the end of the first step, in `runs` processes with a new run each."""
    took: list[tuple[float, float]] = []
    for number in range(runs + 1):
        command = [sys.executable, "-c", FIRST_STEP, *words, "--out", str(folder / f"run-{number}")]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        took.append((float(told[-2]), float(told[-1])))
    wall, cpu = zip(*took[1:], strict=True)
    return Measured.of(wall, cpu, True, goal)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_cohort(folder: Path) -> tuple[Path, Path, Path]:
    """A study file, and two manifests of a small random cohort: of all cases, and of few."""
    rng = np.random.default_rng(0)
    grid = Geometry(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    rows = ["SubjectID,Channel_0,Label"]
    for number in range(CASES):
        write_image(folder / f"{number}.nii.gz", Image(rng.normal(100, 20, (1, *SHAPE)).astype(np.float32), grid))
        write_label(folder / f"{number}_mask.nii.gz", rng.integers(0, 3, SHAPE, dtype=np.uint8), grid)
        rows.append(f"case-{number},{number}.nii.gz,{number}_mask.nii.gz")
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    (folder / "few.csv").write_text("\n".join(rows[: FEW + 1]) + "\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml", folder / "data.csv", folder / "few.csv"


if __name__ == "__main__":
    sys.exit(main())
