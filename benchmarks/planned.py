"""What `wardround plan` makes of a table alone, against the study of `configs/hippocampus`, which people have tuned.

    python -m benchmarks.planned DATA --out results/planned --seconds 1200 --seeds 3

DATA is the folder with the four hospitals' tables. Nobody touches the planned study. Both learn for as long: steps of
both are timed in turn, and each study takes as many as fit into the processor time, over which its schedule runs. The
last weights are scored on the same held-back cases, which neither has seen. A seed decides who is held back, the
initial weights and the order of samples.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.real_images import DATA_SETS, Shares, split_manifest
from wardround.demo.baselines import pool_manifests
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.progress import Silent
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.planning.decision import Budget
from wardround.engine.planning.matter import read_matter
from wardround.engine.planning.plan import plan_study
from wardround.engine.planning.reading import read_fingerprint
from wardround.engine.study import Study, load_study

HAND = Path(__file__).resolve().parents[1] / "configs" / "hippocampus" / "study.yaml"
PLANNED, TUNED = "planned", "by hand"
_MEMORY, _STEPS = 4_000_000_000, 2000
"""What `wardround plan` is given where nothing else is said."""
_BLOCKS, _BLOCK = 3, 3


@dataclass(frozen=True)
class Score:
    """What a study has come to.

    Attributes:
        seed: of split and training.
        study: `planned` or `by hand`.
        dice: mean over classes and held-back cases.
        steps: that it took.
        step_seconds: processor seconds of each, as they were timed before.
        seconds: processor seconds of the training.
    """

    seed: int
    study: str
    dice: float
    steps: int
    step_seconds: float
    seconds: float


def split_table(source: Path, folder: Path, seed: int) -> Path:
    """One table of all hospitals' cases, each hospital's split by the seed."""
    data = DATA_SETS["hippocampus"]
    split = {
        site: split_manifest(source / f"{site}.csv", folder / f"{site}.csv", data, Shares(), seed)
        for site in data.sites
    }
    return pool_manifests(split, folder / "data.csv")


def planned_study(table: Path, folder: Path) -> Study:
    """What `wardround plan` writes for the cases that may be learned from, as a file in `folder` too."""
    own = folder / "learned_from.csv"
    with table.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["Split"] != "test"]
    with own.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ("SubjectID", "Channel_0", "Label"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    matter = read_matter(own, None, None)
    made = plan_study(matter, read_fingerprint(matter.cohort, Silent()), Budget(_MEMORY, _STEPS), folder / "plan.yaml")
    write_atomic(folder / "plan.yaml", made.text.encode())
    return made.study


def step_seconds(benches: Mapping[str, Workbench]) -> dict[str, float]:
    """Processor seconds of a step of each study: medians of blocks that take turns, the first of which warms up."""
    learners = {name: (bench.learner(1000), bench.source()) for name, bench in benches.items()}
    found: dict[str, list[float]] = {name: [] for name in benches}
    for block in range(_BLOCKS + 1):
        for name, (learner, source) in learners.items():
            began = time.process_time()
            learner.train(source, block * _BLOCK, (block + 1) * _BLOCK)
            found[name].append((time.process_time() - began) / _BLOCK)
    return {name: statistics.median(times[1:]) for name, times in found.items()}


def score(bench: Workbench, name: str, seconds: float, each: float) -> Score:
    """Train for that long and score the last weights on the held-back cases."""
    steps = max(1, round(seconds / each))
    learner = bench.learner(steps)
    began = time.process_time()
    learner.train(bench.source(), 0, steps)
    took = time.process_time() - began
    dice = bench.evaluate(learner, "test").summary["dice"].value
    return Score(bench.study.seed, name, dice, steps, each, took)


def compare(source: Path, folder: Path, seed: int, seconds: float, threads: int) -> tuple[Score, ...]:
    """Both studies of one seed."""
    folder.mkdir(parents=True)
    table = split_table(source, folder, seed)
    studies = {PLANNED: planned_study(table, folder), TUNED: load_study(HAND)}
    benches = {
        name: Workbench.open(
            study.model_copy(update={"seed": seed}), table, folder / "work", device="cpu", threads=threads
        )
        for name, study in studies.items()
    }
    each = step_seconds(benches)
    return tuple(score(bench, name, seconds, each[name]) for name, bench in benches.items())


def told(scores: Sequence[Score]) -> str:
    """A line for each training, and how far the planned study lies from the other."""
    lines = [
        f"seed {each.seed}  {each.study:<8} Dice {each.dice:.4f}  {each.steps:>6} steps of {each.step_seconds:.2f} s,"
        f" {each.seconds:.0f} s"
        for each in scores
    ]
    dice = {name: [each.dice for each in scores if each.study == name] for name in (PLANNED, TUNED)}
    apart = [planned - tuned for planned, tuned in zip(dice[PLANNED], dice[TUNED], strict=True)]
    spread = f" ± {statistics.stdev(apart):.4f}" if len(apart) > 1 else ""
    return "\n".join([*lines, f"planned less by hand: {statistics.fmean(apart):+.4f}{spread}"])


def main() -> None:
    """Compare seed by seed; after each, what there is so far is printed and written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where to write; must be new")
    parser.add_argument("--seconds", type=float, default=1200, help="processor seconds of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    scores: list[Score] = []
    for seed in range(42, 42 + arguments.seeds):
        folder = arguments.out / f"seed-{seed}"
        scores += compare(arguments.source, folder, seed, arguments.seconds, arguments.threads)
        write_atomic(arguments.out / "scores.json", json.dumps([asdict(each) for each in scores], indent=2).encode())
        print(told(scores), flush=True)


if __name__ == "__main__":
    main()
