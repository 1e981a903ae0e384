"""What a federation is compared with: each hospital alone, and all data in one place, with the same number of steps."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.progress import Progress
from wardround.lab.manifests import write_manifest
from wardround.lab.processes import Machine, Program, module_command

POOLED = "pooled"
_PATHS = ("Channel_", "Label")


@dataclass(frozen=True)
class Baseline:
    """A training run by `wardround fit`: its name, its cases, its folder."""

    name: str
    manifest: Path
    folder: Path

    @property
    def model(self) -> Path:
        """The model folder that the run leaves."""
        return self.folder / "fold-0" / "model"


def plan_baselines(folder: Path, manifests: Mapping[str, Path]) -> tuple[Baseline, ...]:
    """A run for each hospital alone and one, `pooled`, for the union of their cases."""
    folder = folder.resolve()
    pooled = pool_manifests(manifests, folder / "pooled.csv")
    named = {**manifests, POOLED: pooled}
    return tuple(Baseline(name, manifest.resolve(), folder / name) for name, manifest in named.items())


def fit_baselines(
    study: Path, steps: int, baselines: Iterable[Baseline], machine: Machine, shown: Progress, *, at_once: int = 2
) -> None:
    """Train all baselines for `steps` steps, `at_once` processes at a time. Raises `InputError` if one fails."""
    waiting, running, done = list(baselines), list[Program](), 0
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(_start(study, steps, waiting.pop(0), machine))
            program = running.pop(0)
            program.finish()
            done += 1
            shown.advance(done, program.name)
    finally:
        for program in running:
            program.stop()


def pool_manifests(manifests: Mapping[str, Path], path: Path) -> Path:
    """One manifest with the cases of all, paths absolute, subjects and patients prefixed by the hospital's name."""
    rows: list[dict[str, str]] = []
    for name, manifest in manifests.items():
        with manifest.open(newline="", encoding="utf-8") as handle:
            rows.extend(_pooled_row(name, manifest.resolve().parent, row) for row in csv.DictReader(handle))
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return write_manifest(path, columns, [tuple(row.get(column, "") for column in columns) for row in rows])


def _pooled_row(name: str, folder: Path, row: Mapping[str, str]) -> dict[str, str]:
    pooled = {}
    for column, value in row.items():
        if column in ("SubjectID", "PatientID") and value:
            pooled[column] = f"{name}-{value}"
        elif column.startswith(_PATHS) and value:
            pooled[column] = str(folder / value)
        else:
            pooled[column] = value
    return pooled


def _start(study: Path, steps: int, baseline: Baseline, machine: Machine) -> Program:
    command = module_command(
        "wardround.engine.cli",
        *("fit", study, "--manifest", baseline.manifest, "--out", baseline.folder),
        *("--steps", str(steps), "--threads", str(machine.threads), "--device", "cpu"),
    )
    log = baseline.folder.with_name(f"{baseline.name}.log")
    return Program(f"training of {baseline.name}", command, machine, log)
