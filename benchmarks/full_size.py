"""Ready studies on whole sets of images, by the command that a researcher types, beside what others have published.

    python -m benchmarks.full_size nuclei ../shared/data --out OUT [--steps 1000] [--threads 2] [--seed 42]

The first word is one of
  nuclei      270 micrographs of three microscopes: a fifth of each is held back
  pneumonia   5,206 chest X-rays of 28 x 28: a fifth of each hospital's classes is held back
  adrenal     1,286 shapes, halved to 32 x 32 x 32: those that the set has for validation are held back

DATA is the folder that has `nuclei`, `pneumonia` and `adrenal_shapes`. `wardround fit` trains once, and scores the best
weights by validation once on the cases held back. The published figures are of other test cases (the sets at hand are
the published training and validation cases): they say where to expect a score and no more. Each is printed with what
differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.real_images import DATA_SETS, DataSet, Shares, seeded_study, split_manifest
from wardround.demo.baselines import pool_manifests
from wardround.engine.basics.randomness import stream
from wardround.engine.experiments.models import write_study
from wardround.engine.imaging import Geometry, Image, write_image
from wardround.lab.manifests import write_manifest

_OWN = (sys.executable, "-m", "wardround.engine.cli")
_NUCLEI = DataSet(DATA_SETS["nuclei"].sites, "nuclei", "Label", rounds=0, local_steps=0)
_SIDE = 32
_VALIDATION = 0.1


@dataclass(frozen=True)
class WholeSet:
    """A set of images.

    Attributes:
        study: the folder of `configs`.
        table: writes images and table below a folder, given the data and a seed; the table's path.
        published: others' figure, and how their protocol differs.
        sides: of a patch, where the images are smaller than the study's.
    """

    study: str
    table: Callable[[Path, Path, int], Path]
    published: str
    sides: tuple[int, ...] | None = None


def _of_sites(data: DataSet, name: str) -> Callable[[Path, Path, int], Path]:
    def table(source: Path, folder: Path, seed: int) -> Path:
        split = {
            site: split_manifest(source / name / f"{site}.csv", folder / f"{site}.csv", data, Shares(), seed)
            for site in data.sites
        }
        return pool_manifests(split, folder / "data.csv")

    return table


def unpack_shapes(source: Path, folder: Path, seed: int) -> Path:
    """The archive's shapes with halved sides, each voxel the mean of eight, and a table with their sets."""
    rows: list[tuple[str, str, str, str]] = []
    with np.load(source / "adrenal_shapes" / "adrenal_shapes.npz", allow_pickle=False) as archive:
        for part in ("train", "val"):
            images, labels = archive[f"{part}_images"], archive[f"{part}_labels"][:, 0]
            chosen = set(stream(seed, "adrenal", part).permutation(len(images))[: round(_VALIDATION * len(images))])
            for number, (voxels, label) in enumerate(zip(images, labels, strict=True)):
                name = f"{part}-{number:04d}"
                _write_halved(folder / "images" / f"{name}.nii.gz", voxels)
                known = "test" if part == "val" else "validation" if number in chosen else "train"
                rows.append((name, f"images/{name}.nii.gz", str(label), known))
    return write_manifest(folder / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict", "Split"), rows)


def _write_halved(path: Path, voxels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    halved = voxels.reshape(_SIDE, 2, _SIDE, 2, _SIDE, 2).mean(axis=(1, 3, 5), dtype=np.float32)
    grid = Geometry((_SIDE,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
    write_image(path, Image(halved[None], grid))


SETS: Mapping[str, WholeSet] = {
    "nuclei": WholeSet(
        "nuclei",
        _of_sites(_NUCLEI, "nuclei"),
        "no figure of this set's Dice is known to us that names its cases: Data Science Bowl 2018 ranked by the "
        "precision of single nuclei (Caicedo et al. 2019)",
    ),
    "pneumonia": WholeSet(
        "pneumonia",
        _of_sites(DATA_SETS["pneumonia"], "pneumonia"),
        "ResNet-18 at 28 px: AUC 0.944, accuracy 0.854 (Yang et al. 2023), on the set's own test cases, whose "
        "classes are shared out otherwise; here on a fifth of its training and validation cases",
    ),
    "adrenal": WholeSet(
        "adrenal",
        unpack_shapes,
        "3D ResNet-18 at 28 voxels a side: AUC 0.827, accuracy 0.721 (Yang et al. 2023), on the set's 298 test cases; "
        "here on its 98 validation cases, which no choice was made by",
        (_SIDE,) * 3,
    ),
}


def main() -> int:
    """Train, score, print a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SETS)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="must be new")
    parser.add_argument("--steps", type=int, help="instead of the study's epochs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=42)
    wanted = parser.parse_args()
    wanted.out.mkdir(parents=True)
    chosen = SETS[wanted.name]
    table = chosen.table(wanted.source, wanted.out / "data", wanted.seed)
    study = prepare(chosen, wanted.seed, wanted.out / "study.yaml")
    began = time.monotonic()
    words = ["--steps", str(wanted.steps)] if wanted.steps else []
    command(
        wanted.out, "fit", study, "--manifest", table, "--threads", wanted.threads, "--out", wanted.out / "run", *words
    )
    seconds = round(time.monotonic() - began)
    told = scores(wanted.out / "run")
    print(json.dumps({"set": wanted.name, "seconds": seconds, "cases": _sizes(table), **told}, indent=1))
    print(f"published: {chosen.published}")
    return 0


def prepare(chosen: WholeSet, seed: int, path: Path) -> Path:
    """The ready study with the seed, and patches as large as these images."""
    study = seeded_study(chosen.study, seed, path)
    if chosen.sides:
        patches = study.patches.model_copy(update={"size": chosen.sides})
        write_study(path, study.model_copy(update={"patches": patches}))
    return path


def scores(run: Path) -> Mapping[str, Any]:
    """What the training's folder says of its best weights, on the cases that they were chosen by and on the others."""
    found: Mapping[str, Any] = json.loads((run / "fold-0" / "model" / "metrics.json").read_text(encoding="utf-8"))
    return {key: found[key] for key in ("best_step", "total_steps", "validation", "test")}


def command(out: Path, *words: object) -> None:
    """Run a command of `wardround`; what it prints is in `log`. Ends this program where it fails."""
    with (out / "log").open("wb") as log:
        done = subprocess.run([*_OWN, *map(str, words)], stdout=log, stderr=log, check=False)
    if done.returncode:
        sys.exit(f"error: wardround {words[0]} ended with exit code {done.returncode}: see {out / 'log'}")


def _sizes(table: Path) -> Mapping[str, int]:
    with table.open(newline="", encoding="utf-8") as handle:
        sets: Sequence[str] = [row["Split"] for row in csv.DictReader(handle)]
    return {name: sets.count(name) for name in ("train", "validation", "test")}


if __name__ == "__main__":
    raise SystemExit(main())
