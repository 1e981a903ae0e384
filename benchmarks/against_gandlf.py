"""The same work by GaNDLF 0.1.5 and by Wardround, in turn: whole commands, with the network and data of both alike.

    python -m benchmarks.against_gandlf VENV [WORK ...] [--turns 3] [--threads 2] [--hippocampus DATA]

VENV is an environment with GaNDLF, apart from this one. WORK is any of
  solid      eight volumes of 64^3 voxels, patches of 32^3, a U-Net of 8 filters, two epochs
  flat       forty images of 64^2, resnet18, two epochs
  infer      masks for the eight volumes, by the models of `solid`
  hippocampus   one epoch on the volumes of DATA, a folder with `data.csv` (SubjectID, Channel_0, Label)
and by default the first three. The study is what `wardround import-gandlf` makes of GaNDLF's configuration, with a
schedule that is constant, for GaNDLF's never moves, and a validation after each epoch. Both learn from three quarters
of the cases and validate on the others, so that both take as many steps: GaNDLF draws the quarter, a column `Split`
tells it to Wardround. Each turn runs both, each first in every other turn, into new folders; prints one JSON line for
each command and one with the ratios, medians of those within each turn. The exit code is 1 where a goal was missed.

Time them with nothing beside them: with two threads and other work GaNDLF's wait for each other, and the ratio of wall
times is the other work's. `--threads 1` and the ratio of CPU seconds suffer least.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.goals import Goal, verdict
from wardround.engine.imaging import Geometry, Image, write_image, write_label

OURS, THEIRS = "wardround", "gandlf"
_LIMIT = 3600
_QUIET = {"q_num_workers": 0, "num_workers_dataloader": 0, "prefetch_factor_dataloader": None, "accelerator": "cpu"}
_COMMON: Mapping[str, Any] = {
    "version": {"minimum": "0.1.0", "maximum": "0.1.5"},
    "modality": "rad",
    "patience": 10,
    "scheduler": "triangle",
    "optimizer": "adam",
    "nested_training": {"testing": 1, "validation": -4},
    "data_preprocessing": {"normalize": None},
    **_QUIET,
}
_UNET = {"dimension": 3, "base_filters": 8, "architecture": "unet", "norm_type": "instance", "num_channels": 1}
_RESNET = {"dimension": 2, "base_filters": 8, "architecture": "resnet18", "norm_type": "batch", "num_channels": 1}
_SOFTMAX = {"final_layer": "softmax", "amp": False, "print_summary": False}
SOLID: Mapping[str, Any] = {
    **_COMMON,
    "model": {**_UNET, **_SOFTMAX, "class_list": [0, 1]},
    "patch_size": [32, 32, 32],
    "loss_function": "dc",
    "metrics": ["dice"],
    "num_epochs": 2,
    "batch_size": 2,
    "learning_rate": 0.01,
    "data_augmentation": {"flip": None, "noise": None, "affine": None},
    "q_max_length": 40,
    "q_samples_per_volume": 5,
}
FLAT: Mapping[str, Any] = {
    **_COMMON,
    "model": {**_RESNET, **_SOFTMAX, "class_list": [0, 1]},
    "patch_size": [64, 64],
    "loss_function": "cel",
    "metrics": ["classification_accuracy", "f1", "balanced_accuracy"],
    "num_epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.001,
    "data_augmentation": {"flip": None},
    "q_max_length": 40,
    "q_samples_per_volume": 1,
}
GOALS: Mapping[str, float] = {"solid": 1.7, "flat": 2.5, "infer": 5.0, "hippocampus": 8.0}
"""How many times our seconds GaNDLF should take."""
HIPPOCAMPUS: Mapping[str, Any] = {
    **SOLID,
    "model": {**_UNET, **_SOFTMAX, "class_list": [0, 1, 2]},
    # GaNDLF stops at an image that is smaller than a patch, as some of these are: all are made as large.
    "data_preprocessing": {"resize_image": [32, 48, 32], "normalize": None},
    "num_epochs": 1,
}


@dataclass(frozen=True)
class Cost:
    """What a command took, its children included.

    Attributes:
        wall, cpu: seconds.
        peak: MB of its largest process.
    """

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Work:
    """Work that both do: how each is told, given the folder of the turn."""

    name: str
    commands: Callable[[Path], Mapping[str, Sequence[str]]]


def main() -> int:
    """Measure what was named, and print the figures; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path, help="the environment that has GaNDLF")
    parser.add_argument("work", nargs="*", default=["solid", "flat", "infer"], help="solid, flat, infer, hippocampus")
    parser.add_argument("--turns", type=int, default=3, help="runs of each command")
    parser.add_argument("--threads", type=int, default=2, help="threads of both")
    parser.add_argument("--hippocampus", type=Path, help="a folder with data.csv")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wardround-against-gandlf-") as folder:
        works = prepare(Path(folder), wanted.venv.absolute(), wanted.hippocampus, wanted.threads)
        unknown = [name for name in wanted.work if name not in works]
        if unknown:
            parser.error(f"unknown work {', '.join(unknown)}; there are {', '.join(works)}")
        found = {name: measure(works[name], Path(folder) / name, wanted.turns, wanted.threads) for name in wanted.work}
    return verdict(goal for name, ratio in found.items() for goal in goals(name, ratio))


def goals(name: str, found: Mapping[str, float]) -> Sequence[Goal]:
    """What the ratios of some work should be."""
    wall = Goal(f"{name}: GaNDLF's seconds, times ours,", found["wall"], least=GOALS[name])
    return wall, Goal(f"{name}: GaNDLF's peak memory, times ours,", found["peak"], least=1.0)


def prepare(folder: Path, venv: Path, hippocampus: Path | None, threads: int) -> Mapping[str, Work]:
    """Write data, configurations and studies; the work that can be done with them, by name."""
    solid = _training("solid", SOLID, write_solid(folder / "data"), folder, venv, threads)
    flat = _training("flat", FLAT, write_flat(folder / "flat-data"), folder, venv, threads)
    works = [solid, flat, _inference(folder, venv, threads)]
    if hippocampus is not None:
        table = with_sets(hippocampus.absolute() / "data.csv", folder / "hippocampus.csv")
        works.append(_training("hippocampus", HIPPOCAMPUS, table, folder, venv, threads))
    return {work.name: work for work in works}


def _training(name: str, config: Mapping[str, Any], table: Path, folder: Path, venv: Path, threads: int) -> Work:
    place = folder / "settings" / name
    study, written = write_settings(place, config, table), place / "config.yaml"

    def commands(turn: Path) -> Mapping[str, Sequence[str]]:
        theirs = [str(venv / "bin" / "gandlf"), "run", "-c", str(written), "-i", str(table), "--train", "-m"]
        ours = [*_OWN, "fit", str(study), "--manifest", str(table), "--threads", str(threads), "--out"]
        return {THEIRS: [*theirs, str(turn / THEIRS)], OURS: [*ours, str(turn / OURS)]}

    return Work(name, commands)


def _inference(folder: Path, venv: Path, threads: int) -> Work:
    """By the models of the last turn of `solid`."""
    written, table = folder / "settings" / "solid" / "config.yaml", folder / "data" / "data.csv"

    def commands(turn: Path) -> Mapping[str, Sequence[str]]:
        made = sorted((folder / "solid").glob("turn-*"))
        if not made:
            sys.exit("error: `infer` needs the models of `solid`: name that before it")
        shutil.copytree(made[-1] / THEIRS, turn / THEIRS)  # it writes into the folder of its model
        theirs = [str(venv / "bin" / "gandlf"), "run", "-c", str(written), "-i", str(table), "--infer", "-m"]
        model = made[-1] / OURS / "fold-0" / "model"
        ours = [*_OWN, "predict", str(model), "--manifest", str(table), "--threads", str(threads), "--out"]
        return {THEIRS: [*theirs, str(turn / THEIRS)], OURS: [*ours, str(turn / OURS)]}

    return Work("infer", commands)


_OWN = (sys.executable, "-m", "wardround.engine.cli")


_STILL = "  schedule: constant\n  validate_every: 1"


def write_settings(place: Path, config: Mapping[str, Any], table: Path) -> Path:
    """GaNDLF's configuration, and the study that is made of it, whose rate stays as GaNDLF's does, and which validates
    when GaNDLF does. The study's path."""
    place.mkdir(parents=True)
    written, study = place / "config.yaml", place / "study.yaml"
    written.write_text(json.dumps(config), encoding="utf-8")  # which is YAML too
    words = ["import-gandlf", str(written), "--manifest", str(table), "--out", str(study)]
    subprocess.run([*_OWN, *words], check=True, capture_output=True)
    lines = study.read_text(encoding="utf-8").splitlines()
    still = [_STILL if line.startswith("  schedule: ") else line for line in lines]
    study.write_text("\n".join(still) + "\n", encoding="utf-8")
    return study


def measure(work: Work, folder: Path, turns: int, threads: int) -> dict[str, float]:
    """Run both in turn; print what each took. The ratios, theirs to ours."""
    costs: dict[str, list[Cost]] = {THEIRS: [], OURS: []}
    for number in range(turns):
        turn = folder / f"turn-{number}"
        turn.mkdir(parents=True)
        commands = work.commands(turn)
        for name in sorted(commands, reverse=bool(number % 2)):
            costs[name].append(run(commands[name], turn / f"{name}.log", threads))
            print(json.dumps({"work": work.name, "turn": number, "by": name, **asdict(costs[name][-1])}), flush=True)
    found = ratios(costs)
    print(json.dumps({"work": work.name, **found}), flush=True)
    return found


def ratios(costs: Mapping[str, Sequence[Cost]]) -> dict[str, float]:
    """Medians over the turns of theirs divided by ours."""
    pairs = list(zip(costs[THEIRS], costs[OURS], strict=True))
    return {
        "wall": round(statistics.median(theirs.wall / ours.wall for theirs, ours in pairs), 2),
        "cpu": round(statistics.median(theirs.cpu / ours.cpu for theirs, ours in pairs), 2),
        "peak": round(statistics.median(theirs.peak / ours.peak for theirs, ours in pairs), 2),
    }


def run(words: Sequence[str], log: Path, threads: int) -> Cost:
    """What one command took. Ends this program where it fails, with the end of what it wrote."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
        try:
            _, status, used = _waited(process, start)
        except BaseException:
            process.kill()
            raise
    wall = time.monotonic() - start
    if status:
        sys.exit(f"error: {' '.join(words)} failed\n{log.read_text(errors='replace')[-2000:]}")
    return Cost(round(wall, 2), round(used.ru_utime + used.ru_stime, 2), round(used.ru_maxrss / 1024, 1))


def _waited(process: subprocess.Popen[bytes], start: float) -> tuple[int, int, resource.struct_rusage]:
    """What `wait4` tells of one child with its own children, rather than of all that there ever were."""
    while True:
        found, status, used = os.wait4(process.pid, os.WNOHANG)
        if found:
            process.returncode = os.waitstatus_to_exitcode(status)
            return found, process.returncode, used
        if time.monotonic() - start > _LIMIT:
            raise TimeoutError(f"no end after {_LIMIT} s")
        time.sleep(0.02)


def write_solid(folder: Path, cases: int = 8, side: int = 64) -> Path:
    """Noisy balls, and a table of them, whose path is given."""
    random, places = np.random.default_rng(0), np.indices((side,) * 3)
    folder.mkdir(parents=True)
    grid = Geometry((side,) * 3, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    rows = []
    for number in range(cases):
        radius, middle = random.uniform(0.12, 0.22) * side, random.uniform(0.35, 0.65, 3) * side
        ball = sum((axis - at) ** 2 for axis, at in zip(places, middle, strict=True)) < radius**2
        voxels = (random.normal(100, 20, ball.shape) + 60 * ball).astype(np.float32)
        name = f"case_{number:03d}"
        write_image(folder / f"{name}.nii.gz", Image(voxels[None], grid))
        write_label(folder / f"{name}_mask.nii.gz", ball.astype(np.uint8), grid)
        rows.append([name, f"{name}.nii.gz", f"{name}_mask.nii.gz"])
    return _table(folder, "Label", rows)


def write_flat(folder: Path, cases: int = 40, side: int = 64) -> Path:
    """Noisy squares and discs, and a table of them."""
    from PIL import Image as Picture

    random, (rows_at, columns_at) = np.random.default_rng(0), np.indices((side, side))
    folder.mkdir(parents=True)
    rows = []
    for number in range(cases):
        row, column = random.uniform(20, 44, 2)
        far = (
            np.hypot(rows_at - row, columns_at - column)
            if number % 2
            else np.maximum(abs(rows_at - row), abs(columns_at - column))
        )
        voxels = np.clip(random.normal(80, 15, (side, side)) + 80 * (far < 10), 0, 255).astype(np.uint8)
        Picture.fromarray(voxels).save(folder / f"image_{number:03d}.png")
        rows.append([f"image_{number:03d}", f"image_{number:03d}.png", str(number % 2)])
    return _table(folder, "ValueToPredict", rows)


def _table(folder: Path, truth: str, rows: Sequence[Sequence[str]]) -> Path:
    with (folder / "plain.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([["SubjectID", "Channel_0", truth], *rows])
    return with_sets(folder / "plain.csv", folder / "data.csv")


def with_sets(table: Path, out: Path) -> Path:
    """Write a table that both read, and give its path: GaNDLF finds files by their whole path alone where it is not run
    beside them, and knows no column `Split`, by which the last quarter of the cases is for validation."""
    with table.open(newline="", encoding="utf-8-sig") as handle:
        header, *rows = [row for row in csv.reader(handle) if row]
    train, folder = len(rows) - len(rows) // 4, table.parent
    places = [[str(folder / cell) if (folder / cell).is_file() else cell for cell in row] for row in rows]
    sets = ["train" if number < train else "validation" for number in range(len(rows))]
    with out.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow([*header, "Split"])
        writer.writerows([*row, which] for row, which in zip(places, sets, strict=True))
    return out


if __name__ == "__main__":
    sys.exit(main())
