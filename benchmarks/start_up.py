"""How long people wait for `wardround --help`, `parts` and `check` (of 50 small cases): wall time of whole processes.

    python -m benchmarks.start_up [--runs 7]

Prints one JSON line per command: the median and the largest of the runs in seconds, the goal, and whether torch was
imported. CPU seconds stand beside them, because other work on the machine lengthens the wall time but hardly these.
The first run of each command, which fills the disk's cache, is left out.
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
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wardround.engine.imaging import Geometry, Image, write_image, write_label

CASES = 50
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
SAYS_TORCH = "print('torch' in sys.modules, file=sys.stderr)"


def main() -> None:
    """Measure every command and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="measured runs of each command")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="wardround-start-up-") as folder:
        study, manifest = write_cohort(Path(folder))
        check = ["check", str(study), "--manifest", str(manifest)]
        commands = {"--help": (["--help"], 0.5), "parts": (["parts"], 0.5), "check": (check, 1.5)}
        commands["check --full"] = ([*check, "--full"], 10.0)
        for name, (words, goal) in commands.items():
            print(json.dumps({"command": name, **measure(words, runs), "goal_s": goal}), flush=True)


def measure(words: Sequence[str], runs: int) -> dict[str, object]:
    """Median and largest wall time, and CPU time, in seconds of `runs` processes, and whether torch was imported."""
    wall, cpu = [], []
    for _ in range(runs + 1):
        start, used = time.perf_counter(), _children_cpu()
        subprocess.run([sys.executable, "-c", RUN.format(report="None"), *words], check=True, capture_output=True)
        wall.append(time.perf_counter() - start)
        cpu.append(_children_cpu() - used)
    told = subprocess.run(
        [sys.executable, "-c", RUN.format(report=SAYS_TORCH), *words], check=True, capture_output=True, text=True
    )
    return {
        "median_s": round(statistics.median(wall[1:]), 3),
        "largest_s": round(max(wall[1:]), 3),
        "median_cpu_s": round(statistics.median(cpu[1:]), 3),
        "torch_imported": told.stderr.strip().endswith("True"),
    }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write_cohort(folder: Path) -> tuple[Path, Path]:
    """A study file and the manifest of a small random cohort."""
    rng = np.random.default_rng(0)
    grid = Geometry(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    rows = ["SubjectID,Channel_0,Label"]
    for number in range(CASES):
        write_image(folder / f"{number}.nii.gz", Image(rng.normal(100, 20, (1, *SHAPE)).astype(np.float32), grid))
        write_label(folder / f"{number}_mask.nii.gz", rng.integers(0, 3, SHAPE, dtype=np.uint8), grid)
        rows.append(f"case-{number},{number}.nii.gz,{number}_mask.nii.gz")
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml", folder / "data.csv"


if __name__ == "__main__":
    main()
