"""Whose a run's folder is: what it must hold to be taken, and in what the run in it differs from the one that comes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.experiments.learned_record import LEARNED
from wardround.engine.experiments.models import STUDY
from wardround.engine.study import Study, load_study
from wardround.engine.study.differences import changed_values
from wardround.engine.study.written import write_study

RUN = "run.json"
_KEPT = "run.yaml"
"""The study of a run, for people and for what is said of another one."""
_SHOWN = 5


def keep_study(folder: Path, study: Study) -> None:
    """Keep a run's study beside its record."""
    write_study(folder / _KEPT, study)


def require_a_runs(folder: Path) -> None:
    """Raise `InputError` for a folder that holds something, and no run."""
    if (folder / RUN).exists() or not folder.is_dir():
        return
    # What was learned from is written before a run's record, and hidden files are locks or left over.
    foreign = sorted(path.name for path in folder.iterdir() if not path.name.startswith(".") and path.name != LEARNED)
    if foreign:
        raise InputError.one(
            "the folder of a run holds files already, and no run",
            where=str(folder),
            got=_few(foreign, ", "),
            expected=f"an empty folder, or one with a {RUN}",
            remedy="Nothing was replaced: choose another folder with --out, or move these files away",
        )


def another_run(
    folder: Path, study: Study, *, cohort: bool, steps: tuple[int, int], starts: tuple[str, str] = ("", "")
) -> Problem:
    """What to say of a folder that holds another run than that of `study`.

    `cohort`: whether the cases are the same. `steps`: how many that run has, and how many this one would have.
    `starts`: digests of the weights that each starts from, empty where they are random.
    """
    kept = _study_of(folder)
    lines = [] if kept is None else [*changed_values((), *(each.model_dump(mode="json") for each in (kept, study)))]
    if not cohort:
        lines.append("the table has other cases, images or masks")
    if starts[0] != starts[1]:
        lines.append(f"starts from {_weights(starts[0])} -> {_weights(starts[1])}")
    if not lines and steps[0] != steps[1]:
        lines.append(f"steps {steps[0]} -> {steps[1]}")
    return Problem(
        "this folder holds another run",
        where=str(folder),
        got=_few(lines, "; ") if lines or kept is None else "other sets of the same cases",
        expected="the same study, manifest, fold and number of steps",
        remedy="Name another folder with --out for what is new. With what that run had, the same command goes on "
        "there, or shows its scores if it is finished",
    )


def _weights(digest: str) -> str:
    return f"a model's weights ({digest[:12]})" if digest else "random weights"


def _study_of(folder: Path) -> Study | None:
    """The study of the run in a folder; None where none is kept, as by an unfinished run of an early release."""
    for path in (folder / _KEPT, folder / "model" / STUDY):
        if path.is_file():
            try:
                return load_study(path)
            except InputError:
                continue  # what cannot be read cannot be compared; that it is another run is known by its record
    return None


def _few(lines: Sequence[str], between: str) -> str:
    shown = between.join(lines[:_SHOWN])
    return f"{shown} and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else shown
