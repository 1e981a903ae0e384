"""Alone, together, pooled, on real images: every model on every hospital's held-back cases.

    python -m benchmarks.real_images hippocampus DATA --out results/hippocampus
    python -m benchmarks.real_images pneumonia DATA --out results/pneumonia --seeds 3
    python -m benchmarks.real_images nuclei DATA --out results/nuclei

DATA is the folder with one manifest per hospital. The federation is the real one: an aggregator and a site client per
hospital as processes over TLS on loopback. A hospital alone takes as many optimiser steps as it takes in the
federation; the pooled training as many, or more where `--pooled-steps` says so (it has the data of all). All are scored
on the same cases, which no training has seen. A seed decides split, initial weights and the order of samples.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated

import typer

from wardround.demo.baselines import POOLED, fit_baselines, plan_baselines
from wardround.demo.matrix import FEDERATED, Matrix, score_models
from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import progress
from wardround.engine.basics.randomness import stream
from wardround.engine.basics.signals import interrupts
from wardround.engine.cli.runner import run
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study import Study, load_study
from wardround.federation.protocol import Horizon
from wardround.lab.lab import Lab, LabSettings
from wardround.lab.manifests import write_manifest
from wardround.lab.processes import Machine

_CONFIGS = Path(__file__).resolve().parents[1] / "configs"


@dataclass(frozen=True)
class DataSet:
    """A data set with its hospitals.

    Attributes:
        sites: names of the manifests, without `.csv`.
        study: the study's name under `configs`.
        truth: the column with the mask, the class or the number.
        rounds, local_steps, first_seed, pooled_steps: defaults of the run.
        stratum: what every set of a hospital has alike of a row, given that row.
    """

    sites: tuple[str, ...]
    study: str
    truth: str
    rounds: int
    local_steps: int
    first_seed: int = 42
    pooled_steps: int | None = None
    stratum: Callable[[Mapping[str, str]], str] = lambda _: ""


DATA_SETS: Mapping[str, DataSet] = {
    "hippocampus": DataSet(
        ("north", "east", "south", "west"), "hippocampus", "Label", rounds=16, local_steps=50, pooled_steps=2400
    ),
    "pneumonia": DataSet(
        ("riverside", "lakeside", "hillside"),
        "pneumonia",
        "ValueToPredict",
        rounds=10,
        local_steps=30,
        stratum=itemgetter("ValueToPredict"),
    ),
    "nuclei": DataSet(
        ("confocal_256", "confocal_360", "widefield_520"), "nuclei_count", "ValueToPredict", rounds=10, local_steps=30
    ),
}


@dataclass(frozen=True)
class Budget:
    """Optimiser steps: of each hospital over all rounds, and of the pooled training."""

    horizon: Horizon
    pooled_steps: int


@dataclass(frozen=True)
class Shares:
    """Fractions of each hospital's cases; the rest is for training."""

    test: float = 0.2
    validation: float = 0.125


@dataclass(frozen=True)
class Run:
    """One seed's run and what it took."""

    seed: int
    matrix: Matrix
    cases: Mapping[str, Mapping[str, int]]
    federation_seconds: float
    baselines_seconds: float


def split_manifest(source: Path, path: Path, data: DataSet, shares: Shares, seed: int) -> Path:
    """The manifest with absolute paths and a `Split` column: random by seed and site, within each stratum."""
    with source.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    parts = _split(rows, data, shares, seed, source.stem)
    table = [
        (row["SubjectID"], str(source.parent.resolve() / row["Channel_0"]), _truth(row, data, source), parts[place])
        for place, row in enumerate(rows)
    ]
    return write_manifest(path, ("SubjectID", "Channel_0", data.truth, "Split"), table)


def _truth(row: Mapping[str, str], data: DataSet, source: Path) -> str:
    value = row[data.truth]
    return str(source.parent.resolve() / value) if data.truth == "Label" else value


def _split(rows: Sequence[Mapping[str, str]], data: DataSet, shares: Shares, seed: int, site: str) -> dict[int, str]:
    strata: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        strata[data.stratum(row)].append(place)
    parts: dict[int, str] = {}
    for stratum, places in sorted(strata.items()):
        order = stream(seed, "split", site, stratum).permutation(places)
        test, validation = math.ceil(shares.test * len(order)), math.ceil(shares.validation * len(order))
        names = ["test"] * test + ["validation"] * validation + ["train"] * (len(order) - test - validation)
        parts.update(zip(map(int, order), names, strict=True))
    return parts


def seeded_study(name: str, seed: int, path: Path) -> Study:
    """The study of `configs/name` with another seed, written to `path`."""
    from wardround.engine.experiments.models import write_study

    study = load_study(_CONFIGS / name / "study.yaml").model_copy(update={"seed": seed})
    write_study(path, study)
    return study


def run_seed(data: DataSet, source: Path, folder: Path, budget: Budget, machine: Machine, seed: int) -> Run:
    """Split, train alone, together and pooled, score. Raises `InputError` when a part fails."""
    # A site's name has no underscore.
    manifests = {
        site.replace("_", "-"): split_manifest(
            source / f"{site}.csv", folder / "manifests" / f"{site}.csv", data, Shares(), seed
        )
        for site in data.sites
    }
    study = folder / "study.yaml"
    allowed = {"tasks": [seeded_study(data.study, seed, study).task]}
    with Lab(folder / "federation", study, manifests, budget.horizon, LabSettings(machine, policy=allowed)) as lab:
        federation_seconds = _train_together(lab)
    baselines = plan_baselines(folder / "baselines", manifests)
    began = time.monotonic()
    alone, pooled = [run for run in baselines if run.name != POOLED], [run for run in baselines if run.name == POOLED]
    with progress("Alone", len(alone)) as shown:
        fit_baselines(study, budget.horizon.total_steps, alone, machine, shown)
    with progress("Pooled", 1) as shown:
        fit_baselines(study, budget.pooled_steps, pooled, machine, shown)
    baselines_seconds = time.monotonic() - began
    models = {run.name: run.model for run in baselines} | {FEDERATED: lab.best_model}
    with progress("Scores", len(manifests)) as shown:
        matrix = score_models(models, manifests, folder / "scoring", shown, threads=machine.threads)
    cases = {site: _counts(manifest) for site, manifest in manifests.items()}
    return Run(seed, matrix, cases, federation_seconds, baselines_seconds)


def _train_together(lab: Lab) -> float:
    began = time.monotonic()
    lab.prepare()
    lab.start()
    code = lab.wait_finished()
    if code != 0:
        raise InputError.one(f"the federation ended with exit code {code}", where=str(lab.folder / "logs"))
    return time.monotonic() - began


def _counts(manifest: Path) -> Mapping[str, int]:
    with manifest.open(newline="", encoding="utf-8") as handle:
        parts = [row["Split"] for row in csv.DictReader(handle)]
    return {part: parts.count(part) for part in ("train", "validation", "test")}


def markdown(runs: Sequence[Run]) -> str:
    """The table over all seeds: each cell the mean, with the standard deviation where there are several seeds."""
    first = runs[0].matrix
    head = [f"| {' | '.join(first.columns())} |", f"|---|{'---:|' * (len(first.columns()) - 1)}"]
    tables = [run.matrix.cells() for run in runs]
    return "\n".join([*head, *_rows(tables), "", f"Metric: {_described(first.metric)}. {_gains(runs)}"]) + "\n"


def _described(metric: str) -> str:
    more_is_better = builtin_and_plugins().find(Kind.METRIC, metric).higher_is_better
    return metric if more_is_better else f"{metric}, of which less is better"


def _rows(tables: Sequence[tuple[tuple[str, ...], ...]]) -> Iterator[str]:
    for rows in zip(*tables, strict=True):
        numbers = zip(*(map(float, row[1:]) for row in rows), strict=True)
        yield f"| {rows[0][0]} | {' | '.join(_cell(values) for values in numbers)} |"


def _cell(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _gains(runs: Sequence[Run]) -> str:
    gains = [run.matrix.gain for run in runs]
    return f"Together against alone, mean over hospitals: {_cell(gains)} ({len(runs)} seed{'s' * (len(runs) > 1)})."


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def compare(
    name: Annotated[str, typer.Argument(help=f"The data set: {', '.join(DATA_SETS)}.")],
    source: Annotated[Path, typer.Argument(help="The folder with one manifest per hospital.")],
    out: Annotated[Path, typer.Option(help="Where to write; must be new.")],
    rounds: Annotated[int | None, typer.Option(help="Rounds of the federation.")] = None,
    local_steps: Annotated[int | None, typer.Option(help="Steps of each hospital in a round.")] = None,
    pooled_steps: Annotated[int | None, typer.Option(help="Steps of the pooled training.")] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds, one after the other.")] = 1,
    threads: Annotated[int, typer.Option(help="CPU threads of each process.")] = 1,
) -> None:
    """Compare training alone, together and on pooled data."""
    if name not in DATA_SETS:
        raise InputError.one("unknown data set", got=repr(name), expected=" or ".join(DATA_SETS))
    data = DATA_SETS[name]
    horizon = Horizon(rounds=rounds or data.rounds, local_steps=local_steps or data.local_steps)
    budget = Budget(horizon, pooled_steps or data.pooled_steps or horizon.total_steps)
    runs: list[Run] = []
    for seed in range(data.first_seed, data.first_seed + seeds):
        print(f"== {name}, seed {seed}, {horizon.rounds} rounds of {horizon.local_steps} steps", flush=True)
        with interrupts():
            runs.append(run_seed(data, source, out / f"seed-{seed}", budget, Machine(threads=threads), seed))
        runs[-1].matrix.save(out / f"seed-{seed}", "table")
        _write(out, runs, budget, threads)
    print(f"\n{markdown(runs)}\n{out / 'table.md'}\n{out / 'runs.json'}")


def _write(out: Path, runs: Sequence[Run], budget: Budget, threads: int) -> None:
    write_atomic(out / "table.md", markdown(runs).encode())
    content = {
        "rounds": budget.horizon.rounds,
        "local_steps": budget.horizon.local_steps,
        "pooled_steps": budget.pooled_steps,
        "threads": threads,
        "gain": [run.matrix.gain for run in runs],
        "runs": [asdict(run) for run in runs],
    }
    write_atomic(out / "runs.json", (json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    sys.exit(run(app))
