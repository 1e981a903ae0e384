"""`wardround plan`: a study that follows from the cases themselves, with the reason of each decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from wardround.engine.basics.printable import complain, say, say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.cli import options

if TYPE_CHECKING:
    from wardround.engine.planning.decision import Budget
    from wardround.engine.planning.plan import Plan
    from wardround.engine.study import Study

_LEAST_MEMORY = 500_000_000


def plan(
    manifest: Annotated[Path, typer.Option(help="The CSV with one row per case.", show_default=False)],
    study: Annotated[
        Path | None,
        typer.Argument(help="A study whose task, inputs and classes are kept, if there is one.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The study to write; without it, it is printed.")] = None,
    task: Annotated[
        str | None, typer.Option(help="segmentation, classification or regression; default: as the table has it.")
    ] = None,
    memory: Annotated[str, typer.Option(help="What a step of training may take.")] = "4 GB",
    steps: Annotated[int, typer.Option(help="How long to train; from 20,000 on much is as in nnU-Net.")] = 2000,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the fingerprint and each decision, or the problems, as JSON.")
    ] = False,
) -> None:
    """Plan a study from the cases themselves, in nnU-Net's manner: spacing, patch, depth, batch, normalisation.

    Every image and mask is read. What comes of it is an ordinary study whose comments say why each line is as it is.

    \b
    Examples:
      wardround plan --manifest data.csv --out study.yaml
      wardround plan study.yaml --manifest data.csv --memory "8 GB" --steps 50000
    """
    from wardround.engine.basics.files import write_atomic
    from wardround.engine.basics.progress import progress
    from wardround.engine.planning.matter import read_matter
    from wardround.engine.planning.plan import plan_study
    from wardround.engine.planning.reading import read_fingerprint

    options.require_all(
        lambda: budget_of(memory, steps),
        lambda: options.require_table(manifest),
        lambda: None if out is None else options.require_new_file(out, "--out"),
        lambda: require_task(task, study),
        lambda: _study(study),
    )
    matter = read_matter(manifest, _study(study), task)
    with progress("Reading images", len(matter.cohort.cases)) as shown:
        print_ = read_fingerprint(matter.cohort, shown, matter.dicom)
    made = plan_study(matter, print_, budget_of(memory, steps), out or Path("study.yaml"))
    if out is not None:
        write_atomic(out, made.text.encode())
    if as_json:
        say_json(_as_json(made))
        return
    if out is None:
        say_text(made.text.rstrip())
        return
    for entry in made.entries:
        if entry.reason:
            complain(f"{entry.key}: {entry.reason}")
    say(f"wrote {out}")
    say(f"next: wardround check {out} --manifest {manifest} --full")


def budget_of(memory: str, steps: int) -> Budget:
    """What the options allow. Raises `InputError`."""
    from wardround.engine.planning.decision import Budget

    options.require_steps(steps)
    found = options.size_of(memory, "--memory") or 0
    if found < _LEAST_MEMORY:
        raise InputError.one(
            "a step of training needs more memory than that",
            where="--memory",
            got=memory,
            expected="500 MB and more",
            remedy='Write for example `--memory "4 GB"`',
        )
    return Budget(found, steps)


def require_task(task: str | None, study: Path | None) -> None:
    """Raise `InputError` for a task that cannot be planned, or one beside a study, which has its own."""
    from wardround.engine.basics.problems import did_you_mean
    from wardround.engine.planning.matter import TASKS

    if task is not None and task not in TASKS:
        raise InputError.one(
            "no study of this task can be planned",
            where="--task",
            got=repr(task),
            expected=", ".join(TASKS),
            remedy=did_you_mean(task, TASKS),
        )
    if task is not None and study is not None:
        raise InputError.one(
            "a study says its task itself", where="--task", got=task, expected="one of the two", remedy="Leave it out"
        )


def _study(path: Path | None) -> Study | None:
    if path is None:
        return None
    from wardround.engine.study import load_study

    return load_study(path)


def _as_json(made: Plan) -> JsonValue:
    print_ = made.fingerprint
    return {
        "fingerprint": {
            "cases": print_.cases,
            "dimensions": print_.dimensions,
            "in_body": print_.is_body,
            "spacing": list(print_.spacing),
            "shape": list(print_.shape(print_.spacing)),
            "foreground": print_.foreground,
            "channels": [
                {
                    "low": each.range.low,
                    "high": each.range.high,
                    "mean": each.moments.mean if each.moments.count else None,
                    "deviation": each.moments.deviation if each.moments.count else None,
                }
                for each in print_.channels
            ],
            "classes": [{"value": each.value, "cases": each.cases, "voxels": each.voxels} for each in print_.classes],
        },
        "decisions": [{"key": each.key, "lines": list(each.lines), "reason": each.reason} for each in made.entries],
        "digest": made.study.digest,
    }
