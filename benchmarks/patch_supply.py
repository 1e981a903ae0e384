"""How quickly patches reach the training loop: ours against TorchIO's Queue, MONAI's CacheDataset and a bare copy.

Every supply gives 96^3 patches of image and label in batches of two, oriented to RAS and z-normalised, from the same
generated cases of 240 x 240 x 155 voxels on the same disk, with a warm page cache. They take turns; a supply's figure
is the median over the turns, its ratio the median of the ratios within each turn.

- wardround: the patch source over the store, in the calling thread; half of the patches are centred on foreground.
- reading ahead: the same behind the thread that training uses, which works while the network does.
- bare copy: uniform patches from numpy memory maps into fresh batches of the same types, in the calling thread.
- TorchIO: `Queue` over `.nii.gz` with a uniform sampler, 4 or 16 patches a volume, 0 or 2 workers. It orients and
  normalises a volume whenever it loads one. A turn is a whole pass over the cases.
- MONAI: `CacheDataset` in memory, which orients and normalises once, with four random crops a case.

Filling our store and MONAI's cache happens before, once, and is not counted.

    python -m benchmarks.patch_supply --json patch_supply.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.goals import Goal, verdict
from wardround.engine.basics.progress import progress
from wardround.engine.cohort import Case
from wardround.engine.imaging import Image, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.sampling import PatchSource, Prefetcher
from wardround.engine.store import CaseStore, StoredCase
from wardround.engine.study import Study
from wardround.engine.training import this_machine

SHAPE, SIDE, BATCH = (240, 240, 155), 96, 2
OURS, AHEAD, BARE = "wardround", "wardround, reading ahead", "bare copy"
GOALS: Mapping[str, float] = {BARE: 0.7, "TorchIO": 10.0, "MONAI": 4.0}
"""How many times as many patches ours should give, by how a supply's name begins."""

Supply = Callable[[], Iterator[int]]
"""Starts a turn; gives the number of patches in each batch."""


@dataclass(frozen=True)
class Result:
    """One supply.

    Attributes:
        name: what it is.
        patches: a second, median over the turns.
        stall: longest wait for a batch in seconds, median over the turns.
        ratio: how many times as many patches ours gave, median over the turns.
    """

    name: str
    patches: float
    stall: float
    ratio: float


@dataclass(frozen=True)
class Turn:
    """One supply's turn: patches, seconds, and the longest wait for a batch."""

    patches: int
    seconds: float
    stall: float


def study() -> Study:
    """A segmentation of one class."""
    content = {
        "schema": 1,
        "study": "patch-supply",
        "task": "segmentation",
        "inputs": ["image"],
        "classes": {"blob": 1},
        "preprocessing": [{"orient": "RAS"}, "z_normalize"],
        "patches": {"size": [SIDE] * 3, "per_case": 4, "foreground": 0.5},
        "model": {"name": "unet", "dimensions": 3, "levels": 4},
        "training": {"loss": "dice_ce", "batch_size": BATCH},
        "validation": {"metrics": ["dice"], "select": "dice"},
    }
    return Study.model_validate(content)


def write_cases(folder: Path, count: int) -> list[Case]:
    """Smooth noise inside an ellipsoid that fills a quarter of the volume, zero outside, and a mask."""
    geometry = plain_geometry(SHAPE)
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij")
    inside = sum((axis / radius) ** 2 for axis, radius in zip(axes, (0.55, 0.7, 0.75), strict=True)) < 1
    cases = []
    with progress("Writing cases", count) as shown:
        for number in range(count):
            random = np.random.default_rng(number)
            coarse = random.normal(size=tuple(-(-side // 8) for side in SHAPE)).astype(np.float32)
            smooth = np.kron(coarse, np.ones((8, 8, 8), np.float32))[tuple(slice(side) for side in SHAPE)]
            volume = (500 + 100 * smooth + random.normal(0, 15, SHAPE)).astype(np.float32) * inside
            name, paths = f"case_{number}", [folder / f"{kind}_{number}.nii.gz" for kind in ("image", "label")]
            write_image(paths[0], Image(volume.astype(np.float32)[None], geometry))
            write_label(paths[1], ((smooth > 1) & inside).astype(np.uint8), geometry)
            cases.append(Case(name, name, (paths[0],), paths[1], None, None, number + 2))
            shown.advance(number + 1)
    return cases


def ours(source: PatchSource, patches: int) -> Supply:
    """The patch source; each turn goes on where the last one stopped."""
    turns = itertools.count()

    def start() -> Iterator[int]:
        first = next(turns) * (patches // BATCH)
        for step in range(first, first + patches // BATCH):
            yield len(source.batch(step).image)

    return start


def ours_ahead(source: PatchSource, patches: int) -> Supply:
    """The patch source behind its thread."""
    turns = itertools.count()

    def start() -> Iterator[int]:
        first = next(turns) * (patches // BATCH)
        for batch in Prefetcher(source, first, first + patches // BATCH, lambda batch: batch):
            yield len(batch.image)

    return start


def bare_copy(stored: Sequence[StoredCase], patches: int) -> Supply:
    """The least that reading can be: slices of memory maps into new tensors."""
    maps = [
        (np.load(case.folder / "image.npy", mmap_mode="r"), np.load(case.folder / "label.npy", mmap_mode="r"))
        for case in stored
    ]
    random = np.random.default_rng(0)

    def start() -> Iterator[int]:
        for _ in range(patches // BATCH):
            image = torch.empty((BATCH, 1, SIDE, SIDE, SIDE))
            label = torch.empty((BATCH, SIDE, SIDE, SIDE), dtype=torch.int64)
            for place in range(BATCH):
                voxels, mask = maps[random.integers(len(maps))]
                corner = [random.integers(side - SIDE + 1) for side in SHAPE]
                x, y, z = (slice(int(low), int(low) + SIDE) for low in corner)
                image[place].numpy()[...] = voxels[:, x, y, z]
                label[place].numpy()[...] = mask[x, y, z]
            yield BATCH

    return start


def torchio_queue(cases: Sequence[Case], per_volume: int, workers: int) -> Supply:
    """TorchIO's queue, long enough for a whole pass."""
    import torchio

    subjects = [
        torchio.Subject(image=torchio.ScalarImage(case.channels[0]), label=torchio.LabelMap(case.label))
        for case in cases
    ]

    prepare = torchio.Compose([torchio.ToCanonical(), torchio.ZNormalization()])

    def start() -> Iterator[int]:
        queue = torchio.Queue(
            torchio.SubjectsDataset(subjects, transform=prepare),
            max_length=per_volume * len(cases),
            samples_per_volume=per_volume,
            sampler=torchio.UniformSampler(SIDE),
            num_workers=workers,
        )
        for batch in torchio.SubjectsLoader(queue, batch_size=BATCH, num_workers=0):
            yield len(batch["image"][torchio.DATA])

    return start


def monai_cache(cases: Sequence[Case], threaded: bool, patches: int) -> Supply:
    """MONAI's cache in memory, with two worker processes or with its own thread."""
    from monai import data, transforms

    keys = ["image", "label"]
    steps = [
        transforms.LoadImaged(keys),
        transforms.EnsureChannelFirstd(keys),
        transforms.Orientationd(keys, axcodes="RAS"),
        transforms.NormalizeIntensityd("image"),
        transforms.RandSpatialCropSamplesd(keys, SIDE, num_samples=4, random_size=False),
    ]
    files = [{"image": str(case.channels[0]), "label": str(case.label)} for case in cases]
    cached = data.CacheDataset(files, transforms.Compose(steps), progress=False, num_workers=2)
    loader: Iterable[Mapping[str, Any]] = (
        data.ThreadDataLoader(cached, batch_size=1, num_workers=0, shuffle=True)
        if threaded
        else data.DataLoader(cached, batch_size=1, num_workers=2, persistent_workers=True, shuffle=True)
    )

    def start() -> Iterator[int]:
        for _ in range(-(-patches // (4 * len(cases)))):
            for batch in loader:
                yield len(batch["image"])

    return start


def take_turn(supply: Supply) -> Turn:
    """Run a supply to the end of its turn."""
    start = last = time.perf_counter()
    patches, stall = 0, 0.0
    for count in supply():
        now = time.perf_counter()
        patches, stall, last = patches + count, max(stall, now - last), now
    return Turn(patches, time.perf_counter() - start, stall)


def measure(supplies: Mapping[str, Supply], turns: int) -> dict[str, list[Turn]]:
    """Every supply in turn, forwards and backwards; a first round of the quick ones warms up."""
    for name in (OURS, AHEAD, BARE):
        take_turn(supplies[name])
    taken: dict[str, list[Turn]] = {name: [] for name in supplies}
    with progress("Measuring", turns * len(supplies)) as shown:
        for turn in range(turns):
            for place, name in enumerate([*supplies] if turn % 2 == 0 else [*supplies][::-1]):
                taken[name].append(take_turn(supplies[name]))
                shown.advance(turn * len(supplies) + place + 1, name)
    return taken


def compared(taken: Mapping[str, Sequence[Turn]]) -> list[Result]:
    """Medians, and ratios to ours within each turn."""
    rates = {name: [turn.patches / turn.seconds for turn in turns] for name, turns in taken.items()}
    return [
        Result(
            name,
            statistics.median(rates[name]),
            statistics.median(turn.stall for turn in turns),
            statistics.median(mine / theirs for mine, theirs in zip(rates[OURS], rates[name], strict=True)),
        )
        for name, turns in taken.items()
    ]


def run(folder: Path, count: int, turns: int, patches: int) -> tuple[list[Result], float]:
    """The whole comparison, and the seconds that filling our store took per case."""
    plan, cases = study(), write_cases(folder, count)
    began = time.perf_counter()
    stored = CaseStore(folder / "store").open_cases(plan, cases)
    fill = (time.perf_counter() - began) / count
    source = PatchSource(plan, stored)
    supplies = {OURS: ours(source, patches), AHEAD: ours_ahead(source, patches), BARE: bare_copy(stored, patches)}
    for per_volume in (4, 16):
        for workers in (0, 2):
            name = f"TorchIO Queue, {per_volume} a volume, {workers} workers"
            supplies[name] = torchio_queue(cases, per_volume, workers)
    supplies["MONAI CacheDataset, 2 workers"] = monai_cache(cases, False, patches)
    supplies["MONAI CacheDataset, thread"] = monai_cache(cases, True, patches)
    return compared(measure(supplies, turns)), fill


def main() -> int:
    """Print the table, and write it as JSON where asked; 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--patches", type=int, default=240, help="of ours, the bare copy and MONAI in a turn")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        results, fill = run(Path(folder), arguments.cases, arguments.turns, arguments.patches)
    machine = this_machine(torch.device("cpu"), "fp32")
    print(f"{machine.processor}, {os.cpu_count()} CPUs, torch {machine.torch}, {machine.threads} thread")
    print(f"{arguments.cases} cases; filling our store took {fill:.2f} s a case, once")
    print(f"{'':<38}{'patches/s':>12}{'longest wait, s':>18}{'ours is times':>16}")
    for result in results:
        print(f"{result.name:<38}{result.patches:>12.1f}{result.stall:>18.3f}{result.ratio:>16.2f}")
    if arguments.json:
        content = {"machine": machine.model_dump(), "cases": arguments.cases, "store_seconds_per_case": fill}
        content["results"] = [asdict(result) for result in results]
        arguments.json.write_text(json.dumps(content, indent=2) + "\n")
    return verdict(goals(results))


def goals(results: Sequence[Result]) -> list[Goal]:
    """What our supply should give beside each other one."""
    return [
        Goal(f"patches a second, times those of {result.name},", result.ratio, least=least)
        for result in results
        for begins, least in GOALS.items()
        if result.name.startswith(begins)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
