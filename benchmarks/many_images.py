"""What tens of thousands of small images cost: the commands as a user runs them, each in a process of its own.

    python -m benchmarks.many_images [--images 70000] [--out FOLDER]

Writes distinct pictures of 16 x 16 pixels, four of each patient, then prints one JSON line per command: wall and CPU
seconds, peak memory of the process, and the most files and memory maps that it held at once (looked at twice a second).
`fit` runs twenty steps and five validations, and once more to show what going on costs. One run of each.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, PER_PATIENT = 16, 4
STUDY = """\
schema: 1
study: many-images
task: classification
inputs: [picture]
classes: {dark: 0, bright: 1}
preprocessing: [{z_normalize: {within: all}}]
patches: {size: [16, 16]}
model: {name: resnet, dimensions: 2, depth: 10, filters: 4, stem: small}
training: {loss: cross_entropy, steps: 20, batch_size: 64}
validation: {metrics: [auc, accuracy], select: auc}
inference: {batch_size: 128}
"""
RUN = "import sys; from wardround.engine.cli.main import main; sys.exit(main())"


def main() -> None:
    """Measure every command and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=70_000)
    parser.add_argument("--out", type=Path, help="an empty folder, which is kept; default: one that is removed")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wardround-many-") as temporary:
        folder = chosen.out or Path(temporary)
        study, manifest = write_cohort(folder, chosen.images)
        for name, words in _commands(folder, study, manifest).items():
            print(json.dumps({"images": chosen.images, "command": name, **measure(words)}), flush=True)


def _commands(folder: Path, study: Path, manifest: Path) -> dict[str, list[str]]:
    table, run, one = ["--manifest", str(manifest)], folder / "run", ["--threads", "1"]
    fit, model = ["fit", str(study), *table, "--out", str(run), *one], str(run / "fold-0" / "model")
    return {
        "check": ["check", str(study), *table],
        "check --full": ["check", str(study), *table, "--full"],
        "fit": fit,
        "fit again": fit,
        "predict": ["predict", model, "--folder", str(folder / "images"), "--out", str(folder / "out"), *one],
        "evaluate": ["evaluate", str(study), *table, "--model", model, "--out", str(folder / "scores"), *one],
        "store list": ["store", "list", str(run)],
        "store verify": ["store", "verify", str(run)],
    }


def measure(words: Sequence[str]) -> dict[str, object]:
    """Seconds and peaks of one command. Raises `CalledProcessError` if it fails."""
    began, files, maps = time.perf_counter(), 0, 0
    command = [sys.executable, "-c", RUN, *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
        here = Path(f"/proc/{process.pid}")
        files = max(files, len(list((here / "fd").iterdir())))
        maps = max(maps, (here / "maps").read_text().count("\n"))
        time.sleep(0.5)
    _, status, used = ended
    if status != 0:
        raise subprocess.CalledProcessError(os.waitstatus_to_exitcode(status), words)
    return {
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "files": files,
        "maps": maps,
    }


def write_cohort(folder: Path, images: int) -> tuple[Path, Path]:
    """A study file and the manifest of random pictures."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "data.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["SubjectID", "PatientID", "Channel_0", "ValueToPredict"])
        for number in range(images):
            value = int(rng.integers(0, 2))
            pixels = rng.integers(60 * value, 60 * value + 128, (SIDE, SIDE), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
            table.writerow([number, f"patient-{number // PER_PATIENT}", f"images/{number}.png", value])
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml", folder / "data.csv"


if __name__ == "__main__":
    main()
